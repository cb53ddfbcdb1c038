"""The records of the object store (Swift): its account, containers and objects.

Headers are by their names in lower case, with the values that clients sent.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from infraci.local.domain.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAccount(Record):
    """What an account has beside containers: its metadata, among it keys of temporary URLs."""

    kind = "object account"

    headers: Mapping[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Record):
    """A container; its id is its name."""

    kind = "object container"

    headers: Mapping[str, str] = field(default_factory=dict)
    created_at: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject(Record):
    """An object; its id is its container's name, a slash, and its own."""

    kind = "object"

    container: str
    name: str
    #: The id of the file that has the content; versions and copies may share it.
    content: str
    size: int
    md5: str
    content_type: str
    modified_at: float
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds since 1970; 0 for an object that does not expire.
    delete_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeaders:
    """What a client says of an object beside its content."""

    headers: Mapping[str, str] = field(default_factory=dict)
    #: Empty where the client says none.
    content_type: str = ""
    delete_at: int = 0


def object_id(container: str, name: str) -> str:
    """The id of an object's record."""
    return f"{container}/{name}"
