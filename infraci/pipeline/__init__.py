"""A run: the phases in order, and what happens when one of them fails."""

from __future__ import annotations

from infraci.pipeline.drivers import Drivers, Specs
from infraci.pipeline.execute_run import carry_out, destroy_run, new_record
from infraci.pipeline.interrupt import AbandonedError, Interrupts
from infraci.pipeline.run_outcomes import Outcomes, worst
from infraci.pipeline.upgrade import UntestableUpgradeError, untestable
from infraci.pipeline.work import OpenBase, Version, Work

__all__ = [
    "AbandonedError",
    "Drivers",
    "Interrupts",
    "OpenBase",
    "Outcomes",
    "Specs",
    "UntestableUpgradeError",
    "Version",
    "Work",
    "carry_out",
    "destroy_run",
    "new_record",
    "untestable",
    "worst",
]
