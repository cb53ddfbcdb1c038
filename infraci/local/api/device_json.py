"""A server's disks as JSON: block device mappings, and the volumes that it has.

Source: https://docs.openstack.org/nova/latest/user/block-device-mapping.html
"""

from __future__ import annotations

from infraci.local.api.parse import flag, number
from infraci.local.api.web import Document
from infraci.local.domain.requests import DiskRequest
from infraci.local.domain.volume_records import Volume
from infraci.local.errors import InvalidRequestError

_SOURCES = ("volume", "snapshot", "image", "blank")


def parse_disks(body: Document) -> list[DiskRequest]:
    """The volumes of a new server, by either version of block device mappings."""
    disks = [_parse_disk(item) for item in _objects(body, "block_device_mapping_v2")]
    disks += _parse_legacy(
        _objects(body, "block_device_mapping"), has_image=bool(body.get("imageRef"))
    )
    roots = [disk for disk in disks if disk is not None and disk.is_root]
    if len(roots) + bool(body.get("imageRef")) > 1:
        raise InvalidRequestError(
            "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device"
            " mapping combination is not valid."
        )
    return [disk for disk in disks if disk is not None]


def _objects(body: Document, key: str) -> list[Document]:
    items = body.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidRequestError(
            f"Invalid input for field/attribute {key}. It is no list of objects."
        )
    return items


def _parse_disk(item: Document) -> DiskRequest | None:
    """A disk; None for one that the server has anyway: its image's, and the machine's swap."""
    source, target = item.get("source_type"), item.get("destination_type")
    boot_index = item.get("boot_index")
    is_root = boot_index is not None and number(boot_index) == 0
    if target == "local" and (source, is_root) == ("image", True):
        return None
    if target == "local" and item.get("guest_format") == "swap":
        return None
    if source not in _SOURCES or (target or "volume") != "volume":
        raise InvalidRequestError(
            f"The embedded cloud can't make a {source} disk that is {target}."
        )
    return DiskRequest(
        source=str(source),
        source_id=str(item.get("uuid") or ""),
        size_gb=_size(item),
        device=str(item.get("device_name") or ""),
        is_root=is_root,
        delete_on_termination=flag(item.get("delete_on_termination")),
    )


def _parse_legacy(items: list[Document], *, has_image: bool) -> list[DiskRequest]:
    """Disks by the first version, of which the one that is named as the root is booted from."""
    names = [str(item.get("device_name") or "").removeprefix("/dev/") for item in items]
    root = None if has_image or not items else names.index("vda") if "vda" in names else 0
    return [
        DiskRequest(
            source="snapshot" if item.get("snapshot_id") else "volume",
            source_id=str(item.get("snapshot_id") or item.get("volume_id") or ""),
            size_gb=_size(item),
            device=name,
            is_root=position == root,
            delete_on_termination=flag(item.get("delete_on_termination")),
        )
        for position, (item, name) in enumerate(zip(items, names, strict=True))
    ]


def _size(item: Document) -> int:
    return number(item.get("volume_size") or 0)


def parse_attachment(body: Document) -> DiskRequest:
    """A volume that a server is to be given."""
    return DiskRequest(
        source="volume",
        source_id=str(body.get("volumeId")),
        device=str(body.get("device") or ""),
        delete_on_termination=flag(body.get("delete_on_termination")),
    )


def attachment_to_json(volume: Volume) -> Document:
    """A server's volume as Nova shows it."""
    attachment = volume.attachment
    return {
        "id": volume.id,
        "volumeId": volume.id,
        "serverId": attachment.server_id if attachment else None,
        "device": attachment.device if attachment else None,
        "tag": None,
    }
