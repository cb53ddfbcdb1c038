"""Reads a stack's events as they come, and its resources with their paths."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from infraci.heat.cloud_errors import GoneError, TransientCloudError
from infraci.heat.objects import Event, Resource, Stack
from infraci.heat.openstack_connection import Connection


class OnEvent(Protocol):
    """Called with a stack's new events, in order."""

    def __call__(self, *events: Event) -> object: ...  # noqa: D102


#: Deeper than any stack is nested; Heat's own limit is 5 by default.
DEPTH = 20
_LINES = 40


def render_events(events: Sequence[Event]) -> str:
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
        """Skip the events so far; only later ones reach ``on_event``."""
        on_event, self._on_event = self._on_event, None
        self.read()
        self._on_event = on_event
        self.events.clear()

    def read_now_and_then(self) -> None:
        """Read new events, unless the last read was a moment ago."""
        if self._clock() >= self._next_read:
            self.read()
            self._next_read = self._clock() + self._every_s

    def read(self) -> None:
        """Read new events, and call ``on_event`` with them."""
        # Several engines' clocks differ: a new event may be sorted before the last one seen, so
        # read the last few again.
        marker = self._order[-_OVERLAP] if len(self._order) >= _OVERLAP else None
        while True:
            page = self._page(marker)
            self._take([event for event in page if event.id not in self._seen])
            if len(page) < _PAGE:
                return
            marker = page[-1].id

    def _take(self, new: Sequence[Event]) -> None:
        ids = [event.id for event in new]
        self._seen.update(ids)
        self._order += ids
        self.events += new
        if new and self._on_event is not None:
            self._on_event(*new)

    def _page(self, marker: str | None) -> list[Event]:
        params: dict[str, object] = {"nested_depth": DEPTH, "sort_dir": "asc", "limit": _PAGE}
        if marker is not None:
            params["marker"] = marker
        path = f"/stacks/{self._stack.name}/{self._stack.id}/events"
        try:
            answer = self._connection.ask(
                "read the stack's events", "orchestration", "GET", path, params=params, again=False
            )
        except (GoneError, TransientCloudError):
            return []  # a run goes on without events; the next poll reports what is wrong
        return [self._event(entry) for entry in answer["events"]]

    def _event(self, entry: Mapping[str, Any]) -> Event:
        stack = _link(entry, "stack") or ""
        name = stack.rsplit("/", 2)[1] if stack.count("/") > 1 else ""
        return Event(
            id=str(entry["id"]),
            time=str(entry["event_time"]),
            stack_name=name,
            resource=str(entry["resource_name"]),
            status=str(entry["resource_status"]),
            reason=str(entry.get("resource_status_reason") or ""),
            physical_id=str(entry.get("physical_resource_id") or ""),
            is_nested=name != self._stack.name,
            path=_event_path(self._stack.name, name, str(entry["resource_name"])),
        )


#: What Heat puts after a resource's name in the name of the stack that is nested in it.
_MADE_UP = re.compile(r"-[a-z2-7]{12}(?:-|$)")


def _event_path(outer: str, stack: str, resource: str) -> str:
    """The path of a resource in a stack that is nested in ``outer``.

    Events do not name the resource that holds a nested stack, but the stack's name contains it.
    """
    inner = stack.removeprefix(f"{outer}-")
    holders = _MADE_UP.split(inner)[:-1] if inner != stack else []
    return ".".join([*holders, resource])


_PAGE = 200
_OVERLAP = 20


#: The type of a stack that a stack makes by the API; its resources are not nested.
_STACK_OF_ITS_OWN = "OS::Heat::Stack"


def read_resources(connection: Connection, stack: Stack) -> tuple[Resource, ...]:
    """Every resource of the stack, of those nested in it, and of those that it has on this cloud.

    Stacks in other regions are left out.
    """
    return tuple(_read_resources(connection, f"/stacks/{stack.name}/{stack.id}", DEPTH))


def _read_resources(connection: Connection, stack: str, depth: int) -> Iterator[Resource]:
    for resource in _read_nested(connection, stack):
        yield resource
        if resource.type == _STACK_OF_ITS_OWN and resource.physical_id and depth:
            with suppress(GoneError):
                inner = _read_resources(connection, f"/stacks/{resource.physical_id}", depth - 1)
                for each in inner:
                    yield replace(each, path=f"{resource.path}.{each.path}")


def _read_nested(connection: Connection, stack: str) -> tuple[Resource, ...]:
    answer = connection.ask(
        "read the stack's resources",
        "orchestration",
        "GET",
        f"{stack}/resources",
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
            updated=entry.get("updated_time") or "",
        )
        for number, entry in enumerate(entries)
    )


def _paths(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The path of each resource: names through the nested stacks, ``app_servers.0``."""
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
