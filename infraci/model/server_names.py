"""Makes the names of servers unique, and their aliases fit for files and programs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count, zip_longest

#: Safe as a file's name (with a suffix), as a host in ssh_config, known_hosts and an inventory,
#: and as a program's argument.
_FINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\Z")
#: Names that mean something else to Ansible.
_RESERVED = frozenset({"all", "localhost", "ungrouped"})
_READABLE = 60
_DIGITS = 8


def distinct_names(names: Sequence[str], paths: Sequence[str]) -> tuple[str, ...]:
    """Tell servers of equal names apart by the paths of their resources: ``twin-group.0``.

    A path lasts from run to run, unlike an id of Nova's. Names that are unique stay as they are.
    """
    result = list(names)
    while len({*result}) < len(result):
        if len({*paths}) < len(paths):
            raise ValueError("two resources of a stack have one path")
        times = Counter(result)
        result = [
            f"{name}-{path}" if times[name] > 1 else name
            for name, path in zip(result, paths, strict=True)
        ]
    return tuple(result)


def aliases(names: Sequence[str], roles: Sequence[str] = ()) -> tuple[str, ...]:
    """Give each of the names an alias, which no other name has, whatever the case.

    A name that is fit already is its own alias, unless it is the role of other servers:
    an inventory has roles and servers side by side. Others end in a digest of the name, so that
    their aliases are the same in every run.
    """
    times = Counter(name.lower() for name in names)
    taken = {*times, *(role.lower() for role in roles)}
    result = []
    for name, role in zip_longest(names, roles, fillvalue=""):
        alias = name
        if not _is_fine(name) or times[name.lower()] > 1 or (name in roles and name != role):
            alias = next(word for word in _candidates(name) if word.lower() not in taken)
            taken.add(alias.lower())
        result.append(alias)
    return tuple(result)


def _is_fine(name: str) -> bool:
    return _FINE.match(name) is not None and name.lower() not in _RESERVED


def _candidates(name: str) -> Iterator[str]:
    """Aliases for a name: its readable part with a digest; the first is nearly always free."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:_READABLE] or "server"
    for number in count():
        digest = sha256(f"{name}\0{number}".encode("utf-8", "surrogatepass")).hexdigest()
        yield f"{readable}-{digest[:_DIGITS]}"
