"""A cloud's stacks, resources, events and servers as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a stack."""

    id: str
    time: str  # ISO 8601, as Heat writes it
    stack_name: str  # the (nested) stack it happened in
    resource: str
    status: str  # "CREATE_IN_PROGRESS"
    reason: str = ""
    physical_id: str = ""
    is_nested: bool = False  # whether it happened in a nested stack
    path: str = ""  # the resource's, through the nested stacks: "app_servers.0"

    def __str__(self) -> str:
        reason = "" if self.reason in _DULL else f"  {self.reason}"
        return f"{self.time} {self.stack_name} {self.resource} {self.status}{reason}"

    @property
    def is_failure(self) -> bool:
        """Whether the event is a failure."""
        return self.status.endswith("_FAILED")


#: Reasons that say nothing beyond the status.
_DULL = frozenset({"", "state changed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack."""

    id: str
    name: str
    status: str  # "CREATE_COMPLETE"
    reason: str = ""
    tags: tuple[str, ...] = ()
    updated: str = ""  # when its last update began, as Heat writes it
    outputs: Mapping[str, object] = field(default_factory=dict)  # empty unless requested


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStack:
    """A stack found by its tags."""

    id: str
    name: str
    status: str
    tags: tuple[str, ...]


#: The types of servers: Nova's own, and the one with the names that AWS has for the same.
SERVER_TYPES = frozenset({"OS::Nova::Server", "AWS::EC2::Instance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource of a stack, or of a stack nested in it."""

    path: str  # "app_servers.0": through the nested stacks
    type: str
    status: str
    reason: str = ""
    physical_id: str = ""
    updated: str = ""  # when it was last changed, as Heat writes it

    @property
    def is_failed(self) -> bool:
        """Whether the resource failed."""
        return self.status.endswith("_FAILED")

    @property
    def is_adopted(self) -> bool:
        """Whether the resource is older than the stack, which refers to it by ``external_id``."""
        return self.status.startswith(("ADOPT_", "CHECK_"))

    @property
    def is_server(self) -> bool:
        """Whether the resource is a server of Nova's."""
        return self.type in SERVER_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """An address of a server."""

    address: str
    kind: Literal["access", "floating", "fixed"]
    version: int = 4
    network: str = ""  # the name of the one it is in; an access address is in none


#: Nova's states of a server that will not come up by itself.
DEAD = frozenset({"ERROR", "SHUTOFF", "DELETED", "SOFT_DELETED", "SUSPENDED", "PAUSED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaServer:
    """A server as Nova knows it."""

    id: str
    name: str
    status: str  # "ACTIVE"
    addresses: tuple[ServerAddress, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    image: str = ""  # its id; empty for a server that boots from a volume
    path: str = ""  # its resource's; only of a stack's servers
    fault: str = ""  # Nova's, of a server in ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypair:
    """A key pair of the user's."""

    name: str
    public_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewResource:
    """A resource as Heat would make it."""

    name: str
    type: str
    path: str  # through the nested stacks: "app_servers.0"
    stack_name: str  # of the (nested) stack it would be in
    properties: Mapping[str, object] = field(default_factory=dict)
    required_by: tuple[str, ...] = ()
    nested: tuple[PreviewResource, ...] = ()

    def walk(self) -> Iterator[PreviewResource]:
        """This resource, and all that are nested in it."""
        yield self
        for child in self.nested:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPreview:
    """What Heat would make of a request."""

    name: str
    description: str
    resources: tuple[PreviewResource, ...]

    def walk(self) -> Iterator[PreviewResource]:
        """All resources, nested ones after the resource that holds them."""
        for resource in self.resources:
            yield from resource.walk()
