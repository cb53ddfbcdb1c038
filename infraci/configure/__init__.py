"""What is done to servers between their first login and the specs; one file a driver."""

from __future__ import annotations

from infraci.configure.registry import DRIVERS
from infraci.configure.runner import ServerFailure, StepFailedError, configure_servers
from infraci.configure.step import Step, StepContext, StepError

__all__ = [
    "DRIVERS",
    "ServerFailure",
    "Step",
    "StepContext",
    "StepError",
    "StepFailedError",
    "configure_servers",
]
