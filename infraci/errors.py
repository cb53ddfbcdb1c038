"""The one tree of errors that infraci raises on purpose.

Every message reads ``cannot <verb> <object>: <reason>``; the hint says what to do next. Each
class fixes the exit code of a command that ends with it (see :class:`ExitCode`). Anything else
that escapes is a bug and is reported as one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, in the numbers that ``git bisect run`` and CI engines understand."""

    PASSED = 0
    FAILED = 1  # the commit's own files made a phase fail
    INVALID = 2  # the command line is wrong, or files that cannot even be read
    UNTESTABLE = 125  # the cloud, the network or this machine failed; no commit is blamed
    INTERRUPTED = 130

    @classmethod
    def worst(cls, codes: Iterable[int]) -> ExitCode:
        """The exit code that decides between several; ``PASSED`` if there are none."""
        return min(map(cls, codes), key=_PRECEDENCE.index, default=cls.PASSED)


#: Which exit code decides between several: the first of these.
_PRECEDENCE = (
    ExitCode.INTERRUPTED,
    ExitCode.FAILED,
    ExitCode.INVALID,
    ExitCode.UNTESTABLE,
    ExitCode.PASSED,
)

#: The classes of failures: docs/failures.md tells what each means and what to do about it.
CATEGORIES = (
    "template", "signal", "not found", "quota", "no valid host", "timeout", "api", "guest",
    "outside", "delete", "leak",
)  # fmt: skip


#: What a machine lacks when one of these ends a call, which is no bug of infraci's.
_LACKS = {
    errno.ENOSPC: "room on a disk",
    errno.EDQUOT: "room within a quota on a disk",
    errno.EROFS: "a disk that can be written",
    errno.EIO: "a disk that works",
    errno.EMFILE: "open files (ulimit -n)",
    errno.ENFILE: "open files",
    errno.ENOMEM: "memory",
}


class InfraciError(Exception):
    """An error with a known cause.

    ``message`` is one sentence, ``hint`` says what to do next. ``reason`` is the part of the
    message that another message may quote, such as git's own words; the whole message by default.
    ``details`` is longer text that explains it: the end of an output, events, other errors.
    """

    exit_code = ExitCode.UNTESTABLE
    #: The class of the failure, one of :data:`CATEGORIES`, or empty; docs/failures.md tells them.
    category = ""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        category: str | None = None,
        reason: str | None = None,
        details: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reason = message if reason is None else reason
        self.details = details
        if category is not None:
            self.category = category


class UsageError(InfraciError):
    """What was asked for makes no sense: a wrong option, an unknown run, no repository."""

    exit_code = ExitCode.INVALID


class DefinitionError(InfraciError):
    """The commit's own files are wrong: pipeline, template, environment, spec or script."""

    exit_code = ExitCode.INVALID


class CommitError(InfraciError):
    """The commit's own files made something fail: a failure, which can be blamed on a commit."""

    exit_code = ExitCode.FAILED


class CloudError(InfraciError):
    """The cloud could not do what was asked; no commit is to blame."""


class OutsideError(InfraciError):
    """A mirror, a registry or a name server did not answer; no commit is to blame by itself."""

    category = "outside"


class UnreachableError(InfraciError):
    """A server could not be logged in to, or the connection to it was lost."""

    category = "guest"
    #: Whether that is so for a bastion on the way to it.
    at_bastion = False


class ConfigureError(InfraciError):
    """A configure step could not be begun, for want of something on this machine."""


class PhaseTimeoutError(InfraciError):
    """A phase did not end within its time."""

    category = "timeout"


class InterruptedRunError(InfraciError):
    """The user (Ctrl-C) or the machine (SIGTERM) ended the run."""

    exit_code = ExitCode.INTERRUPTED


class MachineError(InfraciError):
    """This machine lacks something that infraci needs: room on a disk, open files, memory."""


def of_machine(error: BaseException) -> MachineError | None:
    """The error that tells what this machine lacks; None for one that has another cause."""
    cause: BaseException | None = error
    while cause is not None:
        lack = _LACKS.get(cause.errno or 0) if isinstance(cause, OSError) else None
        if lack is not None:
            return MachineError(f"cannot go on: {cause}", hint=f"this machine lacks {lack}")
        cause = cause.__cause__
    return None


def raise_of_machine(error: BaseException) -> None:
    """Raise what this machine lacks, if that is the cause: no file of a commit is to blame then."""
    if (machine_error := of_machine(error)) is not None:
        raise machine_error from error
