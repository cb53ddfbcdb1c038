"""Removes what a run has made one by one, where Heat could not."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

from infraci.base.deadline import Deadline, waits
from infraci.errors import CloudError
from infraci.heat.leftovers import BALANCER, Leftover, Mark, find_leftovers
from infraci.heat.openstack_connection import Connection

#: Each round removes what the one before has made free.
_ROUNDS = 6
_CEILING_S = 10.0


def sweep(
    connection: Connection, mark: Mark, deadline: Deadline, *, first_s: float
) -> tuple[Leftover, ...]:
    """Remove a run's leftovers, users before what they use; returns those that remain.

    Leaves alone what is not the run's own, such as others' ports in its network, and the stack.
    """
    left = _removable(connection, mark)
    for number, wait_s in enumerate(islice(waits(first_s, _CEILING_S), _ROUNDS)):
        if not left:
            break
        for leftover in left:
            with suppress(CloudError):  # the next round asks again
                _remove(connection, leftover, by_force=number > 1)
        deadline.pause(wait_s)
        left = _removable(connection, mark)
    return left


def _removable(connection: Connection, mark: Mark) -> tuple[Leftover, ...]:
    leftovers = find_leftovers(connection, mark)
    return tuple(r for r in leftovers if not r.foreign and not r.is_stack)


def _remove(connection: Connection, leftover: Leftover, *, by_force: bool) -> None:
    kind, verb = leftover.kind, f"delete {leftover}"
    path = kind.path(leftover.id)

    def act(method: str, path: str, body: dict[str, object] | None = None) -> None:
        params = {"cascade": "true"} if kind is BALANCER else None
        connection.ask(verb, kind.service, method, path, json=body, params=params, again=False)

    if leftover.router:
        action = f"/routers/{leftover.router}/remove_router_interface"
        act("PUT", action, {"port_id": leftover.id})
        return
    if by_force:  # many accounts may not do this; delete in the plain way all the same
        with suppress(CloudError):
            if kind.name == "server":
                act("POST", f"{path}/action", {"forceDelete": None})
            elif kind.name == "volume":
                act("POST", f"{path}/action", {"os-force_delete": {}})
            elif kind.name == "router":
                act("PUT", path, {"router": {"routes": []}})
    act("DELETE", path)
