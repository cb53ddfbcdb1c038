"""The interface by which the domain has the host run servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from infraci.local.host.fabric import Nic


@dataclass(frozen=True, slots=True, kw_only=True)
class BootPlan:
    """What the host needs to know to run a server."""

    id: str
    name: str
    hostname: str
    image: str
    vcpus: int
    ram_mb: int
    nics: tuple[Nic, ...]
    access: str | None  # the address on the host's bridge at which the host logs in
    dns: tuple[str, ...]
    labels: Mapping[str, str]
    config_drive: Mapping[str, bytes]


class HostInterface(Protocol):
    """Runs servers; every call may block for seconds."""

    def boot(self, plan: BootPlan) -> None:
        """Wire and start a new server."""

    def start(self, plan: BootPlan) -> None:
        """Wire and start a server that was stopped."""

    def stop(self, server_id: str) -> None:
        """Shut a server down."""

    def reboot(self, server_id: str, *, hard: bool) -> None:
        """Shut a server down and start it."""

    def freeze(self, server_id: str) -> None:
        """Hold all processes of a server."""

    def thaw(self, server_id: str) -> None:
        """Let the processes of a frozen server go on."""

    def resize(self, server_id: str, *, vcpus: int, ram_mb: int) -> None:
        """Change a server's limits."""

    def remove(self, server_id: str, *, access: str | None, network_id: str | None) -> None:
        """Remove a server and its wires; one that is gone already is fine."""

    def plug(self, server_id: str, nic: Nic) -> None:
        """Give a running server a network card."""

    def unplug(self, server_id: str, device: str) -> None:
        """Take a network card out of a running server."""

    def move_access(
        self, server_id: str, access: str, *, before: tuple[Nic, ...], after: tuple[Nic, ...]
    ) -> None:
        """Move an access address from one card to another; each of both is one card at most."""

    def show_disk(self, server_id: str, device: str, numbers: tuple[int, int], id_: str) -> None:
        """Let a server, if it runs, have a block device of these numbers; ``id_`` is its volume."""

    def hide_disk(self, server_id: str, device: str, id_: str) -> None:
        """Take a block device from a server."""

    def console(self, server_id: str) -> str:
        """What the server wrote to its console."""

    def states(self) -> Mapping[str, bool]:
        """The servers there are, and whether each runs."""

    def ended(self) -> Mapping[str, bool]:
        """The servers that ended by themselves since the last call → whether for a reboot."""

    def sweep(self, *, known: Collection[str], dry_run: bool) -> list[str]:
        """Remove the namespaces of unknown servers and networks; returns a line for each."""


class VolumeDisks(Protocol):
    """Keeps what is on volumes and snapshots; every call may block for seconds."""

    def check(self) -> None:
        """Raise CloudError if this machine can have no volumes."""

    def create(self, id_: str, size_gb: int, *, source: str | None = None) -> None:
        """Make a disk, empty or a copy of another, in place of any there was."""

    def extend(self, id_: str, size_gb: int) -> None:
        """Make a disk larger."""

    def remove(self, id_: str) -> None:
        """Remove a disk; one that is gone already is fine."""

    def bind(self, id_: str, *, read_only: bool) -> tuple[int, int]:
        """Make a disk a block device, if it is none; returns the device's numbers."""

    def unbind(self, id_: str) -> None:
        """Undo :meth:`bind`."""

    def sweep(self, *, known: Collection[str], in_use: Collection[str], dry_run: bool) -> list[str]:
        """Remove disks that are not known, and devices not in use; returns a line for each."""
