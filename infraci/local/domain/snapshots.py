"""Creates and removes snapshots of volumes by Cinder's rules."""

from __future__ import annotations

from dataclasses import replace

from infraci.local.domain.store import Store
from infraci.local.domain.volume_records import AVAILABLE, IN_USE, Snapshot
from infraci.local.domain.volumes import Volumes, timestamp
from infraci.local.errors import InvalidRequestError, NotFoundError
from infraci.local.host.host_interface import VolumeDisks


class Snapshots:
    """Cinder's snapshots: copies of volumes, which cost only what was written to these."""

    def __init__(self, store: Store, volumes: Volumes, disks: VolumeDisks) -> None:
        self._store = store
        self._volumes = volumes
        self._disks = disks

    def all(self) -> list[Snapshot]:
        """Return the snapshots."""
        return self._store.find(Snapshot)

    def require(self, id_: str) -> Snapshot:
        """Return a snapshot; raises NotFoundError."""
        snapshot = self._store.get(Snapshot, id_)
        if snapshot is None:
            raise NotFoundError(f"Snapshot {id_} could not be found.")
        return snapshot

    def create(self, snapshot: Snapshot, *, force: bool) -> Snapshot:
        """Copy a volume; blocks until that is done. A volume in use is copied by ``force``."""
        volume = self._volumes.require(snapshot.volume_id)
        if volume.status not in (AVAILABLE, *((IN_USE,) if force else ())):
            raise InvalidRequestError(
                f"Invalid volume: Volume {volume.id} status must be available, but current status"
                f" is: {volume.status}."
            )
        self._disks.create(snapshot.id, volume.size_gb, source=volume.id)
        now = timestamp()
        return self._store.put(
            replace(
                snapshot,
                status=AVAILABLE,
                size_gb=volume.size_gb,
                image=volume.image,
                created=now,
                updated=now,
            )
        )

    def change(self, id_: str, **values: object) -> Snapshot:
        """Change a snapshot's name, description or metadata."""
        snapshot = replace(self.require(id_), updated=timestamp(), **values)  # type: ignore[arg-type]
        return self._store.put(snapshot)

    def delete(self, id_: str) -> None:
        """Remove a snapshot; volumes that were made from it stay."""
        snapshot = self.require(id_)
        self._disks.remove(id_)
        self._store.drop(snapshot)
