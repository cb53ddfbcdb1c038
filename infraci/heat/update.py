"""Updates of stacks that failed: which resource, why, and how the stack was left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infraci.heat.causes import category_of
from infraci.heat.failure import StackFailedError
from infraci.heat.values import Event, Stack

#: How an update ends, well or as if it had never been.
UPDATED = "UPDATE_COMPLETE"
ROLLED_BACK = "ROLLBACK_COMPLETE"
#: An engine writes this down for a moment before it begins to roll back; it stays only where
#: nothing is rolled back, as after a timeout of Heat's own.
FAILED = "UPDATE_FAILED"

#: A nested stack's name ends with that of the resource it is of, and twelve characters.
_HOLDER = re.compile(r"(.+?)-[a-z0-9]{12}(?:-|$)")


class UpdateFailedError(StackFailedError):
    """An update failed; the stack may be again as it was before."""

    rolled_back = False


def update_failed(stack: Stack, events: Sequence[Event]) -> UpdateFailedError:
    """The error that tells which resource failed first, why, and how the stack was left.

    ``events`` are those since the update was asked for: after a rollback nothing else tells.
    """
    first = next(_failures(stack, events), None)
    resource = _path(first, stack) if first else ""
    reason = first.reason if first else stack.reason
    why = f"{resource}: {reason}" if first else reason or stack.status
    left = {
        ROLLED_BACK: "it was rolled back",
        FAILED: "it was not rolled back",
    }.get(stack.status, f"to roll it back failed as well: {stack.reason}")
    error = UpdateFailedError(
        f"cannot update stack {stack.name}: {why} ({left})",
        resource=resource,
        reason=reason,
        events=events,
        category=category_of(reason),
    )
    error.rolled_back = stack.status == ROLLED_BACK
    return error


def _failures(stack: Stack, events: Sequence[Event]) -> Iterator[Event]:
    """What failed by itself before the rollback began, the first at first."""
    for event in events:
        if event.resource == stack.name:
            if event.status.startswith("ROLLBACK"):
                return
        elif event.is_failure and "aborted" not in event.reason:
            yield event


def _path(event: Event, stack: Stack) -> str:
    """Where a resource stands: ``app_servers.0``."""
    nested = event.stack_name.removeprefix(f"{stack.name}-")
    holders = _HOLDER.findall(nested) if nested != event.stack_name else []
    return ".".join([*holders, event.resource])
