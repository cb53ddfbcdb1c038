"""What a run would do, and all that is wrong, without making anything."""

from __future__ import annotations

from infraci.plan.distrust import check_untrusted
from infraci.plan.files import check_files
from infraci.plan.lfs import LfsPointerError, lfs_pointers
from infraci.plan.logins import login_notices
from infraci.plan.pipeline_plan import Planner, plan_pipeline
from infraci.plan.plan_values import PipelinePlan, PlannedServer, PlannedStep
from infraci.plan.refusal import place_refusal
from infraci.plan.sandboxed_checks import Examination, examine
from infraci.plan.upgrade_changes import with_upgrade

__all__ = [
    "Examination",
    "LfsPointerError",
    "PipelinePlan",
    "PlannedServer",
    "PlannedStep",
    "Planner",
    "check_files",
    "check_untrusted",
    "examine",
    "lfs_pointers",
    "login_notices",
    "place_refusal",
    "plan_pipeline",
    "with_upgrade",
]
