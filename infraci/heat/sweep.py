"""Removing what a run has made one by one, where Heat could not."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

from infraci.base.deadline import Deadline, waits
from infraci.errors import CloudError
from infraci.heat.leftovers import Mark, Remnant, find_remnants
from infraci.heat.openstack_connection import Connection

#: Each round removes what the one before has made free.
_ROUNDS = 6
_CEILING_S = 10.0


def sweep(
    connection: Connection, mark: Mark, deadline: Deadline, *, first_s: float
) -> tuple[Remnant, ...]:
    """Remove what carries a run's mark, users before what they use; returns what would not go.

    What is not the run's own is left alone, as others' ports in its network are, and the stack.
    """
    left = _removable(connection, mark)
    for number, wait_s in enumerate(islice(waits(first_s, _CEILING_S), _ROUNDS)):
        if not left:
            break
        for remnant in left:
            with suppress(CloudError):  # the next round asks again
                _remove(connection, remnant, by_force=number > 1)
        deadline.pause(wait_s)
        left = _removable(connection, mark)
    return left


def _removable(connection: Connection, mark: Mark) -> tuple[Remnant, ...]:
    found = find_remnants(connection, mark)
    return tuple(r for r in found if not r.foreign and not r.is_stack)


def _remove(connection: Connection, remnant: Remnant, *, by_force: bool) -> None:
    kind, verb = remnant.kind, f"delete {remnant}"
    path = f"/{kind.collection}/{remnant.id}"

    def act(method: str, path: str, body: dict[str, object] | None = None) -> None:
        connection.ask(verb, kind.service, method, path, json=body, again=False)

    if remnant.router:
        action = f"/routers/{remnant.router}/remove_router_interface"
        act("PUT", action, {"port_id": remnant.id})
        return
    if by_force:  # what a service does not allow everybody; the plain way is tried all the same
        with suppress(CloudError):
            if kind.name == "server":
                act("POST", f"{path}/action", {"forceDelete": None})
            elif kind.name == "volume":
                act("POST", f"{path}/action", {"os-force_delete": {}})
            elif kind.name == "router":
                act("PUT", path, {"router": {"routes": []}})
    act("DELETE", path)
