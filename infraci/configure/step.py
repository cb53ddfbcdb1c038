"""What a configure driver is, and what it gets to know of its run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from infraci.deadline import Deadline
from infraci.errors import ConfigureError, InfraciError
from infraci.model.run import Server
from infraci.parallel import in_parallel
from infraci.ssh import Session

#: What a step has changed on a server, in its own words; empty if nothing, or nobody can tell.
Changes: TypeAlias = tuple[str, ...]


class StepError(ConfigureError):
    """A step ended badly on a server; ``details`` are the last lines of what it said."""

    def __init__(self, message: str, *, hint: str | None = None, details: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details


def _silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What a step may know of the run, for one server."""

    root: Path  # the commit's tree
    outputs: Mapping[str, str]  # of the stack
    run_id: str
    commit: str  # the full sha
    deadline: Deadline  # the configure phase's
    log: Callable[[str], None]  # a line of the server's own log
    tell: Callable[[str], None] = _silent  # the user, of a task that begins
    servers: tuple[Server, ...] = ()  # all of the stack's
    ssh_config: Path = Path("ssh_config")  # with which programs log in to them


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that a step is for."""

    server: Server
    open: Callable[[], Session]  # opens a session, or finds the open one
    context: StepContext


class Step(ABC):
    """A driver: made of its own options, it never sees the pipeline.

    ``name`` is what messages and reports call it; ``roles`` are those whose servers it is for,
    none means every server.
    """

    name: str
    roles: tuple[str, ...] = ()

    @abstractmethod
    def apply(self, session: Session, server: Server, context: StepContext) -> Changes:
        """Do it, or raise ConfigureError, UnreachableError or PhaseTimeoutError."""

    def apply_to_all(self, targets: Sequence[Target]) -> Sequence[Changes | Exception]:
        """Do it on all servers at once; returns for each, in order, what came of it.

        This one gives each server a thread; a driver that has a way of its own with many servers
        says so here.
        """

        def one(target: Target) -> Changes:
            try:
                changes = self.apply(target.open(), target.server, target.context)
            except InfraciError as error:
                log_end(self, target, error)
                raise
            log_end(self, target, changes)
            return changes

        return in_parallel(one, targets)


def log_end(step: Step, target: Target, result: Changes | Exception) -> None:
    """Write the end of a step into a server's log."""
    if isinstance(result, InfraciError):
        target.context.log(f"==> {step.name}: {result.message}")
    elif not isinstance(result, Exception):
        many = f", {len(result)} changed" if result else ""
        target.context.log(f"==> {step.name}: done{many}")
