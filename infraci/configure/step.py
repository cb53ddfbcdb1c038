"""The interface of configure drivers, and the values of the run that they get."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from infraci.base.deadline import Deadline
from infraci.base.parallel import in_parallel
from infraci.errors import CommitError, InfraciError, OutsideError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Outcome, Server
from infraci.ssh import Session

#: What a step has changed on a server, as its tool names it; empty if nothing, or unknown.
Changes: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a step does on a server, where its tool tells of each: a task, a resource.

    ``name`` is the same in every run: "PLAY: TASK" of Ansible, "File[/etc/motd]" of Puppet. Its
    outcome is a failure of the commit, or an error where a mirror or registry did not answer.
    """

    name: str
    outcome: Outcome
    message: str = ""  # of one that failed: one line
    text: str = ""  # of one that failed: all that it printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a step that ended well did on a server."""

    changes: Changes = ()
    parts: tuple[Part, ...] = ()


class StepError(CommitError):
    """A step failed on a server, and the commit's own files made it fail.

    ``details`` are the last lines of its output, ``parts`` what it did until then.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: str = "",
        parts: Sequence[Part] = (),
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.parts = tuple(parts)


class StepOutsideError(OutsideError):
    """A step failed on a server because a mirror, a registry or a name server did not answer."""

    def __init__(self, error: StepError) -> None:
        super().__init__(error.message, hint=error.hint, details=error.details)
        self.parts = error.parts


#: Addresses among a stack's outputs, and the hosts of their URLs.
_HOST = re.compile(r"(?<=://)[^/:\s]+|\b\d{1,3}(?:\.\d{1,3}){3}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryLimits:
    """How long a server may take until it can be logged in to after a step."""

    back_s: float = 180.0  # until it answers again, as after a reboot
    guess_s: float = 60.0  # while something in the background seems to ask for a reboot
    #: While the connection from before still works: for a new one that is refused, or not
    #: answered at the port, or not completed.
    refused_s: float = 5.0
    closed_s: float = 15.0
    slow_s: float = 90.0


class OnStep(Protocol):
    """Is called with the step that servers begin; a detail is a task that gets no line."""

    def __call__(  # noqa: D102
        self, step: str, servers: Sequence[Server], /, *, is_detail: bool = False
    ) -> object: ...


def _silent(text: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """The run that a step is part of, as far as a driver needs it on one server."""

    root: Path  # the commit's tree
    outputs: Mapping[str, object]  # of the stack, as Heat has them
    run_id: str
    commit: str  # the full sha
    deadline: Deadline  # the configure phase's
    log: Callable[[str], None]  # a line of the server's own log
    tell: Callable[[str], None] = _silent  # a line for the user
    show: Callable[[str], None] = _silent  # a task, for the user to see while it lasts
    servers: tuple[Server, ...] = ()  # all of the stack's
    #: Has the files with which programs log in to the servers.
    run_folder: RunFolder = field(default_factory=lambda: RunFolder(Path()))
    recovery: RecoveryLimits = RecoveryLimits()
    _noted: set[str] = field(default_factory=set, init=False)

    def note(self, text: str) -> None:
        """Tell the user and the server's log of something that is no failure; once a server."""
        if text not in self._noted:
            self._noted.add(text)
            self.log(f"note: {text}")
            self.tell(text)

    @property
    def own_hosts(self) -> frozenset[str]:
        """The servers of the stack, by the names and addresses that an output may have for them."""
        names = {name for s in self.servers for name in (s.name, s.word, s.address)}
        outputs = " ".join(map(output_text, self.outputs.values()))
        return frozenset(names | set(_HOST.findall(outputs)))


def output_text(value: object) -> str:
    """A stack's output where only text can be: of a list or a map its JSON."""
    return value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that a step is for."""

    server: Server
    open: Callable[[], Session]  # opens a session, or finds the open one
    run: StepRun


class Step(ABC):
    """A driver: made of its own options, it never sees the pipeline.

    ``name`` is what messages and reports call it; ``roles`` are those whose servers it is for,
    none means every server.
    """

    name: str
    roles: tuple[str, ...] = ()
    #: Whether it is done, and well, when its server reboots while it runs.
    may_reboot = False

    @abstractmethod
    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Apply it. Raises StepError, StepOutsideError, UnreachableError, PhaseTimeoutError."""

    def apply_to_all(self, targets: Sequence[Target]) -> Sequence[Applied | Exception]:
        """Apply the step to all servers at once; returns the result or error of each, in order.

        By default each server has a thread; a driver whose tool takes many servers overrides
        this.
        """

        def one(target: Target) -> Applied:
            try:
                applied = self.apply(target.open(), target.server, target.run)
            except InfraciError as error:
                log_end(self, target, error)
                raise
            log_end(self, target, applied)
            return applied

        return in_parallel(one, targets)


def log_end(step: Step, target: Target, result: Applied | Exception) -> None:
    """Write the end of a step into a server's log."""
    if isinstance(result, InfraciError):
        target.run.log(f"==> {step.name}: {result.message}")
    elif not isinstance(result, Exception):
        many = f", {len(result.changes)} changed" if result.changes else ""
        target.run.log(f"==> {step.name}: done{many}")
