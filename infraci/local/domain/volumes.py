"""Creates, changes and removes volumes by Cinder's rules; the host keeps what is on them.

Source of rules and messages: cinder/volume/api.py, cinder/api/v3/volumes.py
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from infraci.local.domain.records import Image
from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import (
    ATTACHING,
    AVAILABLE,
    CREATING,
    DELETING,
    DETACHING,
    ERROR,
    ERROR_DELETING,
    IN_USE,
    Snapshot,
    Volume,
    VolumeAttachment,
)
from infraci.local.domain.volume_types import VolumeTypes
from infraci.local.errors import InvalidRequestError, NotFoundError
from infraci.local.host.host_interface import VolumeDisks

LOG = logging.getLogger(__name__)

_DELETABLE = (AVAILABLE, ERROR, ERROR_DELETING)


class Volumes:
    """Cinder's volumes, kept in the store, and on the host's disk."""

    def __init__(self, store: Store, disks: VolumeDisks) -> None:
        self._store = store
        self._disks = disks
        self.types = VolumeTypes(store)

    def all(self) -> list[Volume]:
        """Return the volumes."""
        return self._store.find(Volume)

    def require(self, id_: str) -> Volume:
        """Return a volume; raises NotFoundError."""
        volume = self._store.get(Volume, id_)
        if volume is None:
            raise NotFoundError(f"Volume {id_} could not be found.")
        return volume

    def create(self, volume: Volume) -> Volume:
        """Accept a new volume; its disk is made in the background.

        A size of 0 is that of the snapshot or volume that it is made from.
        """
        volume = self.accept(volume)
        _in_background(self.fill, volume.id)
        return volume

    def accept(self, volume: Volume) -> Volume:
        """Keep the record of a new volume, which :meth:`fill` makes."""
        self._disks.check()
        volume_type = self.types.require(volume.volume_type)
        now = timestamp()
        volume = replace(volume, volume_type=volume_type.name, created=now, updated=now)
        return self._store.put(self._of_source(volume))

    def image_of(self, source: str, id_: str) -> str:
        """The id of the image on a volume or a snapshot; "" for none, or none to boot from."""
        if source == "snapshot":
            snapshot = self._store.get(Snapshot, id_)
            return snapshot.image if snapshot else ""
        volume = self._store.get(Volume, id_)
        return volume.image if volume and volume.bootable else ""

    def _of_source(self, volume: Volume) -> Volume:
        if volume.snapshot_id:
            snapshot = self._store.get(Snapshot, volume.snapshot_id)
            if snapshot is None:
                raise NotFoundError(f"Snapshot {volume.snapshot_id} could not be found.")
            volume = _at_least(volume, "snapshot", snapshot.size_gb, snapshot.status)
            volume = replace(volume, image=snapshot.image)
        elif volume.source_volid:
            source = self.require(volume.source_volid)
            volume = _at_least(volume, "source volume", source.size_gb, source.status)
            volume = replace(volume, image=source.image)
        elif volume.image and self._store.get(Image, volume.image) is None:
            raise InvalidRequestError(
                "Invalid image identifier or unable to access requested image."
            )
        if volume.size_gb < 1:
            raise InvalidRequestError(
                f"Invalid input received: Volume size '{volume.size_gb}' must be an integer and"
                " greater than 0"
            )
        return replace(volume, bootable=bool(volume.image))

    def fill(self, id_: str) -> None:
        """Make a volume's disk: empty, or a copy of its snapshot or source."""
        volume = self.require(id_)
        try:
            source = volume.snapshot_id or volume.source_volid
            self._disks.create(id_, volume.size_gb, source=source)
        except Exception:
            LOG.exception("cannot make volume %s", id_)
            self._set(id_, status=ERROR)
        else:
            self._set(id_, status=AVAILABLE)

    def delete(self, id_: str, *, force: bool = False, cascade: bool = False) -> None:
        """Remove a volume in the background. Raises InvalidRequestError while it is in use."""
        with self._store.locked():
            volume = self.require(id_)
            if volume.status == DELETING:
                return
            snapshots = self._store.find(Snapshot, lambda snapshot: snapshot.volume_id == id_)
            is_free = volume.attachment is None and (force or volume.status in _DELETABLE)
            if not is_free or (snapshots and not cascade):
                raise InvalidRequestError(
                    "Invalid volume: Volume status must be available or error or error_restoring"
                    " or error_extending or error_managing and must not be migrating, attached,"
                    " belong to a group, have snapshots, awaiting a transfer, or be disassociated"
                    " from snapshots after volume transfer."
                )
            self._set(id_, status=DELETING)
        _in_background(self.remove, id_)

    def remove(self, id_: str) -> None:
        """Remove a volume's disk, its snapshots, and its record."""
        volume = self.require(id_)
        snapshots = self._store.find(Snapshot, lambda snapshot: snapshot.volume_id == id_)
        try:
            for record in (*snapshots, volume):
                self._disks.remove(record.id)
                self._store.drop(record)
        except Exception:
            LOG.exception("cannot remove volume %s", id_)
            self._set(id_, status=ERROR_DELETING)

    def extend(self, id_: str, size_gb: int) -> None:
        """Make a volume larger, also while a server has it."""
        with self._store.locked():
            volume = self._require_in(id_, (AVAILABLE, IN_USE), "extend")
            if size_gb <= volume.size_gb:
                raise InvalidRequestError(
                    "Invalid input received: New size for extend must be greater than current"
                    f" size. (current: {volume.size_gb}, extended: {size_gb})."
                )
            self._disks.extend(id_, size_gb)
            self._set(id_, size_gb=size_gb)

    def retype(self, id_: str, type_name: str) -> None:
        """Give a volume another type."""
        volume_type = self.types.require(type_name)
        with self._store.locked():
            self._require_in(id_, (AVAILABLE, IN_USE), "retype")
            self._set(id_, volume_type=volume_type.name)

    def set_read_only(self, id_: str, *, read_only: bool) -> None:
        """Say whether servers may write to a volume that none has."""
        with self._store.locked():
            self._require_in(id_, (AVAILABLE,), "update readonly flag")
            self._set(id_, read_only=read_only)

    def change(self, id_: str, **values: object) -> Volume:
        """Change a volume's name, description, metadata, or whether it is bootable."""
        self.require(id_)
        self._set(id_, **values)
        return self.require(id_)

    def _require_in(self, id_: str, statuses: tuple[str, ...], verb: str) -> Volume:
        volume = self.require(id_)
        if volume.status not in statuses:
            raise InvalidRequestError(
                f"Invalid volume: Volume {id_} status must be {' or '.join(statuses)} to {verb},"
                f" but current status is: {volume.status}."
            )
        return volume

    def reserve(self, id_: str, attachment: VolumeAttachment) -> Volume:
        """Begin to attach a volume that no server has."""
        with self._store.locked():
            self._require_in(id_, (AVAILABLE,), "reserve")
            return self._set(id_, status=ATTACHING, attachment=attachment)

    def finish_attaching(self, id_: str) -> None:
        """Say that a server has a volume now."""
        self._set(id_, status=IN_USE)

    def begin_detaching(self, id_: str) -> None:
        """Say that a server is about to give a volume up."""
        self._set(id_, status=DETACHING)

    def release(self, id_: str) -> None:
        """Take a volume from its server; it may be attached again, and keeps its content."""
        self._disks.unbind(id_)
        self._set(id_, status=AVAILABLE, attachment=None)

    def bind(self, volume: Volume) -> tuple[int, int]:
        """Make a volume a block device of this machine; returns the device's numbers."""
        return self._disks.bind(volume.id, read_only=volume.read_only)

    def reconcile(self, *, dry_run: bool = False) -> list[str]:
        """Finish what an earlier process has begun; remove disks that no record knows.

        Returns what was (or would be) removed, a line each.
        """
        if not dry_run:
            for volume in self.all():
                if volume.status == CREATING:
                    self.fill(volume.id)
                elif volume.status == DELETING:
                    self.remove(volume.id)
        known = {record.id for kind in (Volume, Snapshot) for record in self._store.find(kind)}
        in_use = {volume.id for volume in self.all() if volume.attachment}
        return self._disks.sweep(known=known, in_use=in_use, dry_run=dry_run)

    def _set(self, id_: str, **values: object) -> Volume:
        def change(volume: Volume) -> Volume:
            return replace(volume, updated=timestamp(), **values)  # type: ignore[arg-type]

        return self._store.change(Volume, id_, change) or self.require(id_)


def timestamp() -> str:
    """Return the time as Cinder writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _at_least(volume: Volume, noun: str, size_gb: int, status: str) -> Volume:
    """The volume, as large as its source unless it is to be larger."""
    if status not in (AVAILABLE, IN_USE):
        raise InvalidRequestError(f"Invalid {noun}: its status is {status}.")
    if 0 < volume.size_gb < size_gb:
        raise InvalidRequestError(
            f"Invalid input received: Volume size '{volume.size_gb}' GB cannot be smaller than the"
            f" {noun} size {size_gb} GB. They must be >= original {noun} size."
        )
    return replace(volume, size_gb=volume.size_gb or size_gb)


def _in_background(work: Callable[[str], None], id_: str) -> None:
    threading.Thread(target=work, args=(id_,), name=f"volume-{id_}", daemon=True).start()
