"""A stack's own account: its events as they come, its resources as a tree, and what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from infraci.errors import CloudError
from infraci.heat.connection import Connection, GoneError
from infraci.heat.values import Event, Resource, Stack

OnEvent = Callable[[Event], None]

#: Deeper nesting than anybody has; Heat's own limit is 5 by default.
DEPTH = 20
_LINES = 40


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
    ) -> None:
        super().__init__(message, hint=hint)
        self.resource = resource
        self.reason = reason
        self.events = tuple(events)
        self.resources = tuple(resources)

    @property
    def details(self) -> str:
        """The end of the stack's events, failures always among them."""
        return story(self.events)


def story(events: Sequence[Event]) -> str:
    """The last events, a line each, and all failures before them."""
    early, late = events[:-_LINES], events[-_LINES:]
    failures = [event for event in early if event.is_failure]
    cut = [f"({len(early) - len(failures)} earlier events left out)"] if early else []
    return "\n".join([*cut, *map(str, failures), *map(str, late)])


class Follower:
    """Reads a stack's events, those of nested stacks too, each once."""

    def __init__(
        self,
        connection: Connection,
        stack: Stack,
        on_event: OnEvent | None,
        *,
        every_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._stack = stack
        self._on_event = on_event
        self._every_s = every_s
        self._clock = clock
        self._next_read = clock()
        self._seen: set[str] = set()
        self._order: list[str] = []  # the ids, as Heat sorts them
        self.events: list[Event] = []

    def skip(self) -> None:
        """Let what was before be; only what comes from now on is told."""
        on_event, self._on_event = self._on_event, None
        self.read()
        self._on_event = on_event
        self.events.clear()

    def read_now_and_then(self) -> None:
        """Read, unless it was done not long ago."""
        if self._clock() >= self._next_read:
            self.read()
            self._next_read = self._clock() + self._every_s

    def read(self) -> None:
        """Ask for what is new, and hand it on."""
        # Several engines' clocks differ: an event may be sorted before the last one seen, so the
        # last few are asked for again.
        marker = self._order[-_OVERLAP] if len(self._order) >= _OVERLAP else None
        while True:
            page = self._page(marker)
            for event in page:
                self._take(event)
            if len(page) < _PAGE:
                return
            marker = page[-1].id

    def _take(self, event: Event) -> None:
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        self._order.append(event.id)
        self.events.append(event)
        if self._on_event is not None:
            self._on_event(event)

    def _page(self, marker: str | None) -> list[Event]:
        params: dict[str, object] = {"nested_depth": DEPTH, "sort_dir": "asc", "limit": _PAGE}
        if marker is not None:
            params["marker"] = marker
        path = f"/stacks/{self._stack.name}/{self._stack.id}/events"
        try:
            answer = self._connection.ask(
                "read the stack's events", "orchestration", "GET", path, params=params
            )
        except GoneError:
            return []
        return [_event(entry) for entry in answer["events"]]


_PAGE = 200
_OVERLAP = 20


def read_resources(connection: Connection, stack: Stack) -> tuple[Resource, ...]:
    """Every resource of the stack and of those nested in it."""
    path = f"/stacks/{stack.name}/{stack.id}/resources"
    answer = connection.ask(
        "read the stack's resources",
        "orchestration",
        "GET",
        path,
        params={"nested_depth": DEPTH},
    )
    entries = answer["resources"]
    paths = _paths(entries)
    return tuple(
        Resource(
            path=paths[number],
            type=entry["resource_type"],
            status=entry["resource_status"],
            reason=entry.get("resource_status_reason") or "",
            physical_id=entry.get("physical_resource_id") or "",
        )
        for number, entry in enumerate(entries)
    )


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
    verb: str, stack: Stack, resources: Sequence[Resource], events: Sequence[Event]
) -> StackFailedError:
    """The error that tells which resource failed first, and why."""
    failed = failures(resources)
    if failed:
        first = _earliest(failed, events)
        kind, path, reason = first.type, first.path, first.reason
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        why = f"{path} ({kind}): {_plain(reason)}{more}"
    else:
        path, reason = "", stack.reason
        why = reason or stack.status
    return StackFailedError(
        f"cannot {verb} stack {stack.name}: {why}",
        resource=path,
        reason=reason,
        events=events,
        resources=failed,
    )


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


def _paths(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where each resource stands: names through the nested stacks, ``app_servers.0``."""
    holder = {
        nested: number
        for number, entry in enumerate(entries)
        if (nested := _link(entry, "nested")) is not None
    }
    paths: dict[int, str] = {}

    def path(number: int) -> str:
        if number not in paths:
            entry = entries[number]
            above = holder.get(_link(entry, "stack") or "")
            name = str(entry["resource_name"])
            paths[number] = name if above is None else f"{path(above)}.{name}"
        return paths[number]

    return [path(number) for number in range(len(entries))]


def _link(entry: Mapping[str, Any], relation: str) -> str | None:
    for link in entry.get("links", ()):
        if link["rel"] == relation:
            return str(link["href"])
    return None


def _event(entry: Mapping[str, Any]) -> Event:
    stack = _link(entry, "stack") or ""
    return Event(
        id=str(entry["id"]),
        time=str(entry["event_time"]),
        stack_name=stack.rsplit("/", 2)[1] if stack.count("/") > 1 else "",
        resource=str(entry["resource_name"]),
        status=str(entry["resource_status"]),
        reason=str(entry.get("resource_status_reason") or ""),
        physical_id=str(entry.get("physical_resource_id") or ""),
    )
