"""Updates of stacks that failed: which resources, why, and how the stack was left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from infraci.heat.failed_stack import FailedStack
from infraci.heat.objects import Event, Resource, Stack
from infraci.heat.openstack_connection import Connection
from infraci.heat.reasons import failures
from infraci.heat.stack_errors import UpdateFailedError

#: How an update ends, well or as if it had never been.
UPDATED = "UPDATE_COMPLETE"
ROLLED_BACK = "ROLLBACK_COMPLETE"
#: An engine writes this down for a moment before it begins to roll back; it stays only where
#: nothing is rolled back, as after a timeout of Heat's own.
FAILED = "UPDATE_FAILED"

#: A nested stack's name ends with that of the resource it is of, and twelve characters.
_HOLDER = re.compile(r"(.+?)-[a-z0-9]{12}(?:-|$)")


def update_failed(
    connection: Connection,
    stack: Stack,
    resources: Sequence[Resource],
    events: Sequence[Event],
    *,
    types: Mapping[str, str],
) -> UpdateFailedError:
    """The error that tells which resources failed, why, and how the stack was left.

    ``events`` are those since the update was asked for: after a rollback only they tell what
    failed. ``types`` are those of the new template's resources, which the stack may have no more.
    """
    known = {**types, **{resource.path: resource.type for resource in resources}}
    failed: dict[str, Resource] = {}
    for event in _before_rollback(stack, events):
        path = _path(event, stack)
        if event.is_failure and event.resource != stack.name:
            resource = Resource(
                path=path,
                type=known.get(path, ""),
                status=event.status,
                reason=event.reason,
                physical_id=event.physical_id,
            )
            failed.setdefault(path, resource)
    failed_stack = FailedStack(
        connection=connection,
        stack=stack,
        resources=resources,
        events=events,
        failed=failures(failed.values(), events),
    )
    left = {
        ROLLED_BACK: "it was rolled back",
        FAILED: "it was not rolled back",
    }.get(stack.status, f"to roll it back failed as well: {stack.reason}")
    error = failed_stack.error(
        UpdateFailedError, lambda why: f"cannot update stack {stack.name}: {why} ({left})"
    )
    error.rolled_back = stack.status == ROLLED_BACK
    return error


def _before_rollback(stack: Stack, events: Sequence[Event]) -> Iterator[Event]:
    for event in events:
        if event.resource == stack.name and event.status.startswith("ROLLBACK"):
            return
        yield event


def _path(event: Event, stack: Stack) -> str:
    """Where a resource stands: ``app_servers.0``."""
    nested = event.stack_name.removeprefix(f"{stack.name}-")
    holders = _HOLDER.findall(nested) if nested != event.stack_name else []
    return ".".join([*holders, event.resource])
