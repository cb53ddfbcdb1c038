"""Cinder's nouns as JSON: the form in which its API shows each of them, and takes it.

Source: https://docs.openstack.org/api-ref/block-storage/v3/
"""

from __future__ import annotations

from collections.abc import Mapping

from infraci.local.account import PROJECT_ID, USER_ID, ZONE
from infraci.local.api.parse import flag, number
from infraci.local.api.web import Document
from infraci.local.domain.records import Image
from infraci.local.domain.volume_records import DEFAULT_TYPE, Snapshot, Volume, VolumeType
from infraci.local.errors import InvalidRequestError
from infraci.model.nova_limits import METADATA_LENGTH, NAME_LENGTH

#: What a client may say of a new volume; the rest is refused by name if it has a value.
_VOLUME_FIELDS = frozenset({
    "size", "name", "description", "volume_type", "metadata", "availability_zone", "imageRef",
    "snapshot_id", "source_volid", "multiattach", "user_id", "project_id",
})  # fmt: skip


def parse_volume(body: Document) -> Volume:
    """The record of a new volume; refuses what the embedded cloud cannot do."""
    unknown = sorted(key for key in body.keys() - _VOLUME_FIELDS if body[key])
    if flag(body.get("multiattach")):
        unknown.append("multiattach")
    if unknown:
        raise InvalidRequestError(f"The embedded cloud can't honour {', '.join(unknown)}.")
    sources = [key for key in ("imageRef", "snapshot_id", "source_volid") if body.get(key)]
    if len(sources) > 1:
        raise InvalidRequestError(f"Invalid input received: {' and '.join(sources)} exclude.")
    if body.get("size") is None and sources in ([], ["imageRef"]):
        raise InvalidRequestError("Invalid input for field/attribute size. It is missing.")
    size = body.get("size")
    return Volume(
        **texts_of(body),
        size_gb=0 if size is None else _at_least_one(number(size)),
        metadata=parse_metadata(body.get("metadata") or {}),
        volume_type=body.get("volume_type") or DEFAULT_TYPE,
        image=body.get("imageRef") or "",
        snapshot_id=body.get("snapshot_id"),
        source_volid=body.get("source_volid"),
    )


def _at_least_one(size: int) -> int:
    if size < 1:
        raise InvalidRequestError(f"Invalid input for field/attribute size: {size} is less than 1.")
    return size


def texts_of(body: Document) -> Document:
    """The name and the description in a body, as fields of a record."""
    fields: Document = {}
    for key, field in (("display_name", "name"), ("display_description", "description")):
        if key in body or field in body:
            value = str(body.get(field, body.get(key)) or "")
            if len(value) > NAME_LENGTH:
                raise InvalidRequestError(
                    f"Invalid input for field/attribute {field}. It is too long: it has"
                    f" {len(value)} characters, and {NAME_LENGTH} are taken."
                )
            fields[field] = value
    return fields


def parse_metadata(metadata: object) -> dict[str, str]:
    """Texts by their keys."""
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise InvalidRequestError(
            "Invalid input for field/attribute metadata. It is no map of texts."
        )
    for text in (*metadata, *metadata.values()):
        if len(text) > METADATA_LENGTH:
            raise InvalidRequestError("Invalid input for field/attribute metadata. It is too long.")
    return metadata


def parse_snapshot(body: Document) -> Snapshot:
    """The record of a new snapshot."""
    return Snapshot(
        **texts_of(body),
        volume_id=str(body.get("volume_id")),
        metadata=parse_metadata(body.get("metadata") or {}),
    )


def parse_volume_type(body: Document) -> VolumeType:
    """The record of a new volume type."""
    if not body.get("name"):
        raise InvalidRequestError("Invalid input for field/attribute name. It is missing.")
    return VolumeType(
        **texts_of(body),
        is_public=flag(body.get("os-volume-type-access:is_public", True)),
        extra_specs=parse_metadata(body.get("extra_specs") or {}),
    )


def parse_encryption(body: Document) -> Mapping[str, str | int | None]:
    """What a volume type is to say of encryption."""
    if not body.get("provider"):
        raise InvalidRequestError("Invalid input for field/attribute provider. It is missing.")
    where = body.get("control_location") or "front-end"
    if where not in ("front-end", "back-end"):
        raise InvalidRequestError(
            f"Invalid input for field/attribute control_location. {where} is neither front-end "
            "nor back-end."
        )
    size = body.get("key_size")
    return {
        "provider": str(body["provider"]),
        "control_location": where,
        "cipher": body.get("cipher"),
        "key_size": None if size is None else number(size),
    }


def encryption_to_json(volume_type: VolumeType) -> Document:
    """A volume type's encryption as Cinder shows it; empty if it has none."""
    if not volume_type.encryption:
        return {}
    own = {"volume_type_id": volume_type.id, "encryption_id": volume_type.id}
    return {**own, **volume_type.encryption}


def volume_to_json(volume: Volume, image: Image | None, *, encrypted: bool) -> Document:
    """A volume as Cinder shows it; ``image`` is the one on it."""
    metadata = dict(volume.metadata)
    if volume.read_only:
        metadata["readonly"] = "True"
    shown = {
        "id": volume.id,
        "name": volume.name,
        "description": volume.description,
        "status": volume.status,
        "size": volume.size_gb,
        "metadata": metadata,
        "volume_type": volume.volume_type,
        "availability_zone": volume.availability_zone,
        "bootable": "true" if volume.bootable else "false",
        "snapshot_id": volume.snapshot_id,
        "source_volid": volume.source_volid,
        "created_at": volume.created,
        "updated_at": volume.updated,
        "attachments": _attachments(volume),
        "user_id": USER_ID,
        "os-vol-tenant-attr:tenant_id": PROJECT_ID,
        "os-vol-host-attr:host": "local",
        "encrypted": encrypted,
        "multiattach": False,
        "consistencygroup_id": None,
        "replication_status": None,
        "migration_status": None,
        "links": [],
    }
    if image:
        shown["volume_image_metadata"] = {"image_id": image.id, "image_name": image.name}
    return shown


def _attachments(volume: Volume) -> list[Document]:
    attachment = volume.attachment
    if attachment is None:
        return []
    return [
        {
            "id": volume.id,
            "attachment_id": volume.id,
            "volume_id": volume.id,
            "server_id": attachment.server_id,
            "device": attachment.device,
            "attached_at": attachment.attached_at,
            "host_name": "local",
        }
    ]


def snapshot_to_json(snapshot: Snapshot) -> Document:
    """A snapshot as Cinder shows it."""
    return {
        "id": snapshot.id, "name": snapshot.name, "description": snapshot.description,
        "volume_id": snapshot.volume_id, "status": snapshot.status, "size": snapshot.size_gb,
        "metadata": dict(snapshot.metadata), "created_at": snapshot.created,
        "updated_at": snapshot.updated, "user_id": USER_ID, "group_snapshot_id": None,
        "os-extended-snapshot-attributes:project_id": PROJECT_ID,
        "os-extended-snapshot-attributes:progress": "100%",
    }  # fmt: skip


def volume_type_to_json(volume_type: VolumeType) -> Document:
    """A volume type as Cinder shows it."""
    return {
        "id": volume_type.id, "name": volume_type.name, "description": volume_type.description,
        "is_public": volume_type.is_public, "qos_specs_id": None,
        "os-volume-type-access:is_public": volume_type.is_public,
        "extra_specs": dict(volume_type.extra_specs),
    }  # fmt: skip


def zone_to_json() -> Document:
    """The one zone."""
    return {"zoneName": ZONE, "zoneState": {"available": True}}
