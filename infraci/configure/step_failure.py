"""Makes the errors of steps: who did what, why it failed, and whether the commit is to blame."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from infraci.base.deadline import duration
from infraci.configure.step import Part, StepError, StepOutsideError
from infraci.diagnosis.outside import outside_cause
from infraci.diagnosis.reason import clipped, find_reason, plain_lines
from infraci.diagnosis.sudo import find_refusal, refusal_of
from infraci.model.run import Outcome, Server

#: Where steps put their files on a server: another folder in each run.
_FOLDER = re.compile(r"/tmp/infraci\.\w+/(?:tree/)?")  # noqa: S108
#: The cause if the program prints nothing.
SILENT = "it did not say why"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCause:
    """Why something failed: a line of its output, and whether a mirror or registry did it."""

    text: str
    is_outside: bool = False
    is_sure: bool = True  # whether that line speaks of an error at all


def step_cause(text: str, *, own_hosts: Collection[str] = (), source: str = "") -> StepCause:
    """Why a program failed, by its output; ``source`` is its text if it is a script."""
    lines = plain_lines(text)
    if outside := outside_cause(text, own_hosts=own_hosts, source=source):
        return StepCause(text=without_folder(clipped(outside)), is_outside=True)
    if reason := find_reason(lines):
        return StepCause(text=without_folder(reason.text), is_sure=reason.is_sure)
    return StepCause(text=SILENT, is_sure=False)


def failed_part(
    server: Server, what: str, name: str, cause: StepCause, *, location: str = "", text: str = ""
) -> Part:
    """The part of a step that failed; its message reads as the step's own would."""
    where = f" ({without_folder(location)})" if location else ""
    return Part(
        name=name,
        outcome=Outcome.ERROR if cause.is_outside else Outcome.FAILURE,
        message=f"{server.name}: {what}: {name} failed: {cause.text}{where}",
        text=without_folder(text),
    )


def first_failed(parts: Sequence[Part]) -> Part | None:
    """The first part that the commit made fail, else the first that a mirror did."""
    which = (Outcome.FAILURE, Outcome.ERROR)
    return next((part for each in which for part in parts if part.outcome is each), None)


def step_error(
    message: str,
    *,
    is_outside: bool = False,
    hint: str | None = None,
    details: str = "",
    parts: Sequence[Part] = (),
) -> StepError | StepOutsideError:
    """The error of a step that failed on a server, of the class that says who is to blame.

    Where parts failed, they decide: if any of them is the commit's doing, so is the failure.
    """
    error = StepError(message, hint=hint, details=details, parts=parts)
    outcomes = {part.outcome for part in parts}
    if Outcome.FAILURE in outcomes or not (is_outside or Outcome.ERROR in outcomes):
        return error
    return StepOutsideError(error)


def stopped(
    server: Server,
    what: str,
    timeout_s: float,
    output: str,
    *,
    own_hosts: Collection[str] = (),
    details: str = "",
    parts: Sequence[Part] = (),
) -> StepError | StepOutsideError:
    """The error of a program that was stopped because it took too long."""
    return step_error(
        f"{server.name}: {what} was stopped after {duration(timeout_s)}",
        is_outside=outside_cause(output, own_hosts=own_hosts) is not None,
        hint="does it wait for input or for another server? its timeout: is in the pipeline",
        details=details or output,
        parts=parts,
    )


def not_as_root(server: Server, what: str, printed: str, *, hint: str) -> StepError:
    """The error of a program that sudo did not let begin; ``printed`` is by sudo."""
    refusal = refusal_of(printed, server.user)
    return StepError(
        f"{server.name}: {what} cannot run as root: {refusal.reason}",
        hint=f"{refusal.remedy}; or {hint}",
        details=printed,
    )


def needs_sudo(server: Server, text: str) -> str | None:
    """The hint for a program whose own sudo or su was refused; None for another failure."""
    refusal = find_refusal(text, server.user)
    return refusal.remedy if refusal else None


def without_folder(text: str) -> str:
    """A text without the paths of the step's folder on the server."""
    return _FOLDER.sub("", text)
