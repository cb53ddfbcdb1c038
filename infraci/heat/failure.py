"""Why a stack failed: the deepest resource, Nova's fault, the console, and the class of it all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from infraci.errors import CloudError
from infraci.heat import nova
from infraci.heat.causes import category_of
from infraci.heat.connection import Connection
from infraci.heat.story import story
from infraci.heat.values import Event, NovaServer, Resource, Stack

_CONSOLE_LINES = 15
#: Of so many servers the consoles are shown, when it is not known which one it was.
_CONSOLES = 3


class StackFailedError(CloudError):
    """A stack, or its removal, failed: the first resource that did, and why."""

    def __init__(
        self,
        message: str,
        *,
        resource: str,
        reason: str,
        events: Sequence[Event],
        resources: Sequence[Resource] = (),
        hint: str | None = None,
        category: str = "",
        servers: Sequence[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, category=category)
        self.resource = resource
        self.reason = reason
        self.events = tuple(events)
        self.resources = tuple(resources)
        self._servers = tuple(servers)

    @property
    def details(self) -> str:
        """The end of the stack's events, failures always among them, then the servers' account."""
        return "\n\n".join(filter(None, [story(self.events), *self._servers]))


def failures(resources: Iterable[Resource]) -> list[Resource]:
    """The resources that failed by themselves: not what holds them, nor what was cancelled."""
    failed = [resource for resource in resources if resource.is_failed]
    holders = {
        resource.path
        for resource in failed
        if any(other.path.startswith(f"{resource.path}.") for other in failed)
    }
    own = [resource for resource in failed if resource.path not in holders]
    return sorted(own, key=lambda resource: ("aborted" in resource.reason, resource.path))


def stack_failed(
    connection: Connection,
    verb: str,
    stack: Stack,
    resources: Sequence[Resource],
    events: Sequence[Event],
) -> StackFailedError:
    """The error that tells which resource failed first, why, and what its server has to say."""
    failed = failures(resources)
    path, reason, why = "", stack.reason, stack.reason or stack.status
    servers: list[NovaServer] = []
    if failed:
        first = _earliest(failed, events)
        path, reason = first.path, first.reason
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        servers = _servers(connection, first, resources)
        fault = servers[0].fault if servers and servers[0].id == first.physical_id else ""
        said = _plain(reason)
        told = f"; Nova says: {fault}" if fault and fault not in said else ""
        why = f"{path} ({first.type}): {said}{told}{more}"
    category = "delete" if verb == "delete" else category_of(why)
    return StackFailedError(
        f"cannot {verb} stack {stack.name}: {why}",
        resource=path,
        reason=reason,
        events=events,
        resources=failed,
        category=category,
        servers=[] if verb == "delete" else [_account(connection, server) for server in servers],
    )


def _servers(
    connection: Connection, failed: Resource, resources: Sequence[Resource]
) -> list[NovaServer]:
    """The server that failed; the first few of all, when one never said that it is done."""
    if failed.is_server:
        ids = [failed.physical_id]
    elif category_of(failed.reason) in ("guest", "timeout"):
        ids = [resource.physical_id for resource in resources if resource.is_server][:_CONSOLES]
    else:
        ids = []
    found = []
    for server_id in filter(None, ids):
        with suppress(CloudError):  # there may be none any more
            found.append(nova.read_server(connection, server_id))
    return found


def _account(connection: Connection, server: NovaServer) -> str:
    """A server's state, fault and last words."""
    lines = [
        f"server {server.name} is {server.status}" + (f": {server.fault}" * bool(server.fault))
    ]
    with suppress(CloudError):  # one that no host took has none
        last = nova.read_console(connection, server.id).strip().splitlines()[-_CONSOLE_LINES:]
        lines += ["the end of its console:", *last] if last else ["its console is empty"]
    return "\n".join(lines)


def _earliest(failed: Sequence[Resource], events: Sequence[Event]) -> Resource:
    order: dict[str, int] = {}
    for number, event in enumerate(events):
        if event.is_failure:
            order.setdefault(event.resource, number)
            order.setdefault(event.physical_id, number)

    def place(resource: Resource) -> tuple[bool, int]:
        name = resource.path.rpartition(".")[2]
        by_id = order.get(resource.physical_id) if resource.physical_id else None
        number = by_id if by_id is not None else order.get(name, len(events))
        return "aborted" in resource.reason, number

    return min(failed, key=place)


def _plain(reason: str) -> str:
    """Heat's reason without the place that was said before: ``ResourceInError: resources.a: …``."""
    head, colon, rest = reason.partition(": ")
    place, second, tail = rest.partition(": ")
    if colon and second and place.startswith(("resources.", "resources[")) and head.isidentifier():
        return tail
    return reason
