"""Shows servers their disks: as nodes in /dev, in their lists of devices, with their partitions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from infraci.errors import CloudError
from infraci.local.host import loop_devices, mounts
from infraci.local.host.block_devices import forget_disk, list_disk
from infraci.local.host.device_nodes import make_nodes, remove_nodes
from infraci.local.host.fabric import server_namespace
from infraci.local.host.host_interface import Disk


class ShownDisks:
    """The disks that servers have been shown since this process began."""

    def __init__(self, namespace_of: Callable[[str], Path] = server_namespace) -> None:
        """``namespace_of`` is the file of a server's network namespace, by its id."""
        self._namespace_of = namespace_of
        # By server and device: the disk, and its partition table when it was shown.
        self._shown: dict[tuple[str, str], tuple[Disk, bytes]] = {}
        # Servers' nodes are made by the threads of requests, and by the one that watches.
        self._lock = threading.RLock()

    def show(self, init: int, server_id: str, disks: Sequence[Disk]) -> None:
        """Make disks block devices of a server, by the process id of its init."""
        with self._lock:
            for disk in disks:
                table = loop_devices.partition_table(disk.numbers[1])
                make_nodes(init, disk)
                list_disk(init, self._namespace_of(server_id), disk)
                self._shown[server_id, disk.device] = disk, table

    def hide(self, init: int, server_id: str, disk: Disk) -> None:
        """Undo :meth:`show`, and all mounts of the disk."""
        with self._lock:
            self._shown.pop((server_id, disk.device), None)
            mounts.unplug(init, self._namespace_of(server_id), disk)
            remove_nodes(init, disk)
            forget_disk(init, disk)

    def forget(self, server_id: str) -> None:
        """Keep nothing of a server that is gone."""
        with self._lock:
            for key in [key for key in self._shown if key[0] == server_id]:
                del self._shown[key]

    def watch_partitions(self, inits: Mapping[str, int]) -> None:
        """Show servers the partitions that they have made, or made otherwise, since the last call.

        They have no right to tell the kernel of a new table.
        """
        with self._lock:
            for (server_id, _), (disk, table) in list(self._shown.items()):
                init = inits.get(server_id)
                if init and loop_devices.partition_table(disk.numbers[1]) != table:
                    loop_devices.read_partitions(disk.numbers[1])
                    with suppress(CloudError):  # the server ends
                        remove_nodes(init, disk)
                        self.show(init, server_id, [disk])
