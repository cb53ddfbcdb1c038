"""Lists names as Swift does: in the order of their bytes, by prefix, delimiter and markers.

Source: https://docs.openstack.org/api-ref/object-store/#show-container-details-and-list-objects
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which names to list."""

    prefix: str = ""
    delimiter: str = ""
    marker: str = ""
    end_marker: str = ""
    limit: int = MOST
    is_reverse: bool = False
    #: Lists what is right in this pseudo-folder, without pseudo-folders in it. None: does not.
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A pseudo-folder: the names that begin alike up to the delimiter."""

    name: str


def listed(names: Iterable[str], query: Query) -> list[str | Folder]:
    """The names that a query asks for, and pseudo-folders for names that a delimiter unites."""
    entries: dict[str, str | Folder] = {}
    for name in sorted(names, key=_bytes, reverse=query.is_reverse):
        if len(entries) >= query.limit:
            break
        for entry in _entry(name, query):
            shown = entry.name if isinstance(entry, Folder) else entry
            if _is_between(shown, query):
                entries.setdefault(shown, entry)
    return list(entries.values())


def _entry(name: str, query: Query) -> Iterator[str | Folder]:
    prefix, delimiter = query.prefix, query.delimiter
    if query.path is not None:
        prefix, delimiter = query.path.rstrip("/") + "/" * bool(query.path.rstrip("/")), "/"
    if not name.startswith(prefix):
        return
    end = name.find(delimiter, len(prefix)) if delimiter else -1
    if query.path is not None:
        is_right_there = end < 0 or len(name) == end + 1
        if is_right_there and name != prefix:
            yield name
    elif end >= 0:
        yield Folder(name[: end + len(delimiter)])
    else:
        yield name


def _is_between(name: str, query: Query) -> bool:
    low, high = query.marker, query.end_marker
    if query.is_reverse:
        low, high = high, low
    return (not low or _bytes(name) > _bytes(low)) and (not high or _bytes(name) < _bytes(high))


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
