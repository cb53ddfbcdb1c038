"""What a configure driver is, and what it gets to know of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infraci.deadline import Deadline
from infraci.errors import ConfigureError
from infraci.model.run import Server
from infraci.ssh import Session


class StepError(ConfigureError):
    """A step ended badly on a server; ``details`` are the last lines of what it said."""

    def __init__(self, message: str, *, hint: str | None = None, details: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may know of the run, for one server."""

    root: Path  # the commit's tree
    outputs: Mapping[str, str]  # of the stack
    run_id: str
    commit: str  # the full sha
    deadline: Deadline  # the configure phase's
    log: Callable[[str], None]  # a line of the server's own log


class Step(Protocol):
    """A driver: made of its own options, it never sees the pipeline."""

    @property
    def name(self) -> str:
        """What messages and reports call it."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles whose servers it is for; none means every server."""

    def apply(self, session: Session, server: Server, context: StepContext) -> None:
        """Do it, or raise ConfigureError, UnreachableError or PhaseTimeoutError."""
