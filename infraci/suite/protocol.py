"""What pytest and the keeper of a stack say to each other: the keys of their messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infraci.errors import ExitCode, InfraciError, UsageError

#: The keeper says what is planned, or why there is nothing to plan.
PLANNED, REFUSED = "planned", "refused"
#: pytest: stand it up; a check that has ended; no more of them, with pytest's exit status.
GO, CHECKED, DONE = "go", "checked", "done"
#: The keeper: a line for the user; it stands, in this run's folder; no more checks are heard,
#: and why; the run has ended.
SAID, READY, OVER, ENDED = "said", "ready", "over", "ended"


def told(error: InfraciError) -> Mapping[str, Any]:
    """An error in plain values."""
    return {"message": error.message, "hint": error.hint or "", "exit_code": int(error.exit_code)}


def error_of(said: Mapping[str, Any]) -> InfraciError:
    """The error that was told of."""
    kind = UsageError if said["exit_code"] == ExitCode.INVALID else InfraciError
    return kind(said["message"], hint=said["hint"] or None)
