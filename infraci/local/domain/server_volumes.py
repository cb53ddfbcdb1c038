"""Gives running servers volumes, takes them away, and mounts what is on them for the servers."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from infraci.errors import CloudError
from infraci.local.domain.records import Server
from infraci.local.domain.requests import DiskRequest
from infraci.local.domain.server_disks import ServerDisks
from infraci.local.domain.volume_records import Volume
from infraci.local.errors import ConflictError
from infraci.local.host.host_interface import Disk, HostInterface, MountRequest

#: A lock for each server.
Turns = defaultdict[str, threading.Lock]


class ServerVolumes:
    """What Nova does about the volumes of a server that is there."""

    def __init__(
        self,
        disks: ServerDisks,
        host: HostInterface,
        *,
        turns: Turns,
        require: Callable[[str], Server],
    ) -> None:
        """``turns`` are for what is done with a server; ``require`` returns one."""
        self._disks = disks
        self._host = host
        self._turns = turns
        self._require = require
        # A server mounts while it is shut down, or is being booted, which has the other turn.
        self._mounting: Turns = defaultdict(threading.Lock)

    def of(self, server_id: str) -> tuple[Disk, ...]:
        """The block devices of a server, by its volumes."""
        return tuple(self._disks.block_devices(server_id))

    def attach(self, id_: str, request: DiskRequest) -> Volume:
        """Give a server one more volume; returns the volume."""
        server = self._require(id_)
        if server.status not in ("ACTIVE", "SHUTOFF"):
            raise ConflictError(
                f"Cannot 'attach_volume' instance {id_} while it is in vm_state"
                f" {server.status.lower()}"
            )
        with self._turns[id_]:
            volume = self._disks.reserve(id_, request)
            try:
                for disk in self.of(id_):
                    self._host.show_disk(id_, disk)
            except CloudError:
                self._disks.release(volume.id)
                raise
            self._disks.settle(id_)
        return volume

    def detach(self, id_: str, volume_id: str) -> None:
        """Take a volume from a server, also where it is mounted."""
        self._require(id_)
        with self._turns[id_], self._mounting[id_]:
            self._disks.begin_detaching(id_, volume_id)
            for disk in self.of(id_):
                if disk.volume_id == volume_id:
                    self._host.hide_disk(id_, disk)
            self._disks.release(volume_id)

    def mount(self, id_: str, request: MountRequest) -> None:
        """Mount a volume of a server's in it, or change how it is mounted. Raises CloudError."""
        with self._mounting[id_]:
            self._host.mount(id_, self.of(id_), request)

    def unmount(self, id_: str, target: str, *, is_lazy: bool) -> None:
        """Undo the latest mount of a server's volume on a folder. Raises CloudError."""
        with self._mounting[id_]:
            self._host.unmount(id_, self.of(id_), target, is_lazy=is_lazy)

    def forget(self, id_: str) -> None:
        """Keep nothing of a server that is gone."""
        self._mounting.pop(id_, None)
