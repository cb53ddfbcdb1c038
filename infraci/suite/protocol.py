"""The messages between pytest and a stack process: their keys, and errors as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infraci.errors import ExitCode, InfraciError, UsageError

#: The stack process: the plan, or the error that there is none.
PLANNED, REFUSED = "planned", "refused"
#: pytest: stand the stack up; a check that has ended; pytest has ended, with its exit status.
GO, CHECKED, DONE = "go", "checked", "done"
#: The stack process: a line for the user; the stack stands, with the run's folder; the run takes
#: no more checks, with the error; the run has ended.
SHOW, READY, OVER, ENDED = "said", "ready", "over", "ended"


def error_to_json(error: InfraciError) -> Mapping[str, Any]:
    """An error in plain values."""
    return {"message": error.message, "hint": error.hint or "", "exit_code": int(error.exit_code)}


def error_from_json(fields: Mapping[str, Any]) -> InfraciError:
    """The error that :func:`error_to_json` wrote."""
    kind = UsageError if fields["exit_code"] == ExitCode.INVALID else InfraciError
    return kind(fields["message"], hint=fields["hint"] or None)
