"""Configures servers between their first login and the specs; one file a driver."""

from __future__ import annotations

from infraci.configure.registry import driver_of
from infraci.configure.run_steps import (
    NotIdempotentError,
    ServerFailure,
    StepFailedError,
    configure_servers,
)
from infraci.configure.step import Changes, Step, StepError, StepRun, Target

__all__ = [
    "Changes",
    "NotIdempotentError",
    "ServerFailure",
    "Step",
    "StepError",
    "StepFailedError",
    "StepRun",
    "Target",
    "configure_servers",
    "driver_of",
]
