"""The phases of a run in order, tear-down, and garbage collection."""

from __future__ import annotations

from infraci.pipeline.drivers import Drivers, Specs
from infraci.pipeline.run import OpenBase, Run, RunState, Version
from infraci.pipeline.run_phases import RUN_PHASES, Verify, new_record, phases_of, run_phases
from infraci.pipeline.server_phases import verify
from infraci.pipeline.upgrade import UntestableUpgradeError, untestable

__all__ = [
    "RUN_PHASES",
    "Drivers",
    "OpenBase",
    "Run",
    "RunState",
    "Specs",
    "UntestableUpgradeError",
    "Verify",
    "Version",
    "new_record",
    "phases_of",
    "run_phases",
    "untestable",
    "verify",
]
