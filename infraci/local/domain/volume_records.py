"""The records of Cinder's nouns: volumes, their snapshots and their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infraci.local.account import PROJECT_ID, ZONE
from infraci.local.domain.record import Record, stored_as

CREATING = "creating"
AVAILABLE = "available"
ATTACHING = "attaching"
IN_USE = "in-use"
DETACHING = "detaching"
DELETING = "deleting"
ERROR = "error"
ERROR_DELETING = "error_deleting"

#: The type of volumes for which no client names one, as Cinder calls it.
DEFAULT_TYPE = "__DEFAULT__"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeAttachment:
    """The server that has a volume, and the device that the volume is there."""

    server_id: str
    device: str
    attached_at: str
    #: Whether the server boots from the volume.
    is_root: bool = False
    delete_on_termination: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Record):
    """A volume; one server at most has it."""

    kind = "volume"

    name: str = ""
    description: str | None = None
    status: str = CREATING
    size_gb: int = field(default=0, metadata=stored_as("size"))
    metadata: Mapping[str, str] = field(default_factory=dict)
    volume_type: str = DEFAULT_TYPE  # its name
    availability_zone: str = ZONE
    #: The id of the image that a server which boots from the volume has; empty for none.
    image: str = ""
    bootable: bool = False
    snapshot_id: str | None = None
    source_volid: str | None = None
    read_only: bool = False
    created: str = ""
    updated: str = ""
    attachment: VolumeAttachment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Record):
    """What a volume held at a time."""

    kind = "snapshot"

    volume_id: str
    name: str = ""
    description: str | None = None
    status: str = CREATING
    size_gb: int = field(default=0, metadata=stored_as("size"))
    metadata: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    created: str = ""
    updated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeType(Record):
    """A type of volumes: a name, since every volume is a file of this machine."""

    kind = "volume_type"

    name: str
    description: str | None = None
    is_public: bool = True
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    encryption: Mapping[str, str | int | None] = field(default_factory=dict)  # empty: none
    project_id: str = PROJECT_ID
