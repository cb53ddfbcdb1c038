"""A run: the phases in order, and what happens when one of them fails."""

from __future__ import annotations

from infraci.pipeline.drivers import Drivers, Specs
from infraci.pipeline.interrupt import AbandonedError, Interrupts
from infraci.pipeline.run import OpenBase, Run, RunState, Version
from infraci.pipeline.run_phases import new_record, phases_of, run_phases
from infraci.pipeline.upgrade import UntestableUpgradeError, untestable
from infraci.pipeline.verdict import exit_code_of

__all__ = [
    "AbandonedError",
    "Drivers",
    "Interrupts",
    "OpenBase",
    "Run",
    "RunState",
    "Specs",
    "UntestableUpgradeError",
    "Version",
    "exit_code_of",
    "new_record",
    "phases_of",
    "run_phases",
    "untestable",
]
