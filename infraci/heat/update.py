"""Explains a stack's update that failed: which resources, why, and the state of the stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from infraci.heat.failed_stack import FailedStack
from infraci.heat.objects import Event, Resource, Stack
from infraci.heat.openstack_connection import Connection
from infraci.heat.reasons import failures
from infraci.heat.stack_errors import UpdateFailedError

#: The statuses of an update that succeeded, and of one that Heat has rolled back.
UPDATED = "UPDATE_COMPLETE"
ROLLED_BACK = "ROLLBACK_COMPLETE"
#: Heat sets this status for a moment before a rollback; it stays only where Heat does not roll
#: back, as after its own timeout.
FAILED = "UPDATE_FAILED"

#: A nested stack's name ends with the name of the resource that holds it, and twelve characters.
_HOLDER = re.compile(r"(.+?)-[a-z0-9]{12}(?:-|$)")


def update_failed(
    connection: Connection,
    stack: Stack,
    resources: Sequence[Resource],
    events: Sequence[Event],
    *,
    types: Mapping[str, str],
) -> UpdateFailedError:
    """The error that names the resources that failed, why, and the state of the stack.

    ``events`` are those since the update began: after a rollback only they show what failed.
    ``types`` are those of the new template's resources, which the stack may no longer have.
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
    """The path of an event's resource: ``app_servers.0``."""
    nested = event.stack_name.removeprefix(f"{stack.name}-")
    holders = _HOLDER.findall(nested) if nested != event.stack_name else []
    return ".".join([*holders, event.resource])
