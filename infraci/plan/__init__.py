"""What a run would do, and all that is wrong, without making anything."""

from __future__ import annotations

from infraci.plan.distrust import judge_untrusted
from infraci.plan.examine import Examination, examine
from infraci.plan.files import judge_files
from infraci.plan.lfs import LfsPointerError, lfs_pointers
from infraci.plan.logins import login_notices
from infraci.plan.pipeline import Planner, plan_pipeline
from infraci.plan.refusal import place_refusal
from infraci.plan.upgrade import with_upgrade
from infraci.plan.values import PipelinePlan, PlannedServer, PlannedStep

__all__ = [
    "Examination",
    "LfsPointerError",
    "PipelinePlan",
    "PlannedServer",
    "PlannedStep",
    "Planner",
    "examine",
    "judge_files",
    "judge_untrusted",
    "lfs_pointers",
    "login_notices",
    "place_refusal",
    "plan_pipeline",
    "with_upgrade",
]
