"""The interface by which the domain has the host run servers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from infraci.local.host.balancer_plan import BalancerPlan, BalancerStats
from infraci.local.host.fabric import Nic


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A volume as a server's block device."""

    volume_id: str
    device: str  # /dev/vdb, in the server
    numbers: tuple[int, int]
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRequest:
    """What a server asks to have mounted, or mounted in another way."""

    target: str
    type: str
    numbers: tuple[int, int]  # of the block device
    flags: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    is_remount: bool = False


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
    dns: tuple[str, ...]  # empty for the cloud's own and then this machine's
    domain: str  # of names without one
    labels: Mapping[str, str]
    config_drive: Mapping[str, bytes]
    disks: tuple[Disk, ...] = ()


class HostInterface(Protocol):
    """Runs servers; every call may block for seconds."""

    def boot(self, plan: BootPlan) -> None:
        """Wire and start a new server."""

    def start(self, plan: BootPlan) -> None:
        """Wire and start a server that was stopped."""

    def stop(self, server_id: str) -> None:
        """Shut a server down."""

    def reboot(self, server_id: str, *, hard: bool, disks: Sequence[Disk] = ()) -> None:
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
        self, server_id: str, access: str, *, before: Nic | None, after: Nic | None
    ) -> None:
        """Move an access address from one card to another."""

    def show_disk(self, server_id: str, disk: Disk) -> None:
        """Let a server, if it runs, have a block device."""

    def hide_disk(self, server_id: str, disk: Disk) -> None:
        """Take a block device from a server, and all that is mounted of it."""

    def mount(self, server_id: str, disks: Sequence[Disk], request: MountRequest) -> None:
        """Mount one of a server's disks. Raises CloudError with the words of `mount`."""

    def unmount(self, server_id: str, disks: Sequence[Disk], target: str, *, is_lazy: bool) -> None:
        """Undo the latest mount of a server's disk on a folder. Raises CloudError."""

    def watch_partitions(self) -> None:
        """Give servers block devices of the partitions that they have made since the last call."""

    def console(self, server_id: str) -> str:
        """What the server wrote to its console."""

    def states(self) -> Mapping[str, bool]:
        """The servers there are, and whether each runs."""

    def ended(self) -> Mapping[str, bool]:
        """The servers that ended by themselves since the last call → whether for a reboot."""

    def sweep(self, *, known: Collection[str], dry_run: bool) -> list[str]:
        """Remove the namespaces of unknown servers and networks; returns a line for each."""


class BalancerHost(Protocol):
    """Runs load balancers; every call may block for a second."""

    def check_balancers(self) -> None:
        """Raise CloudError if this machine can have no load balancers."""

    def balance(self, plan: BalancerPlan, nics: Collection[Nic], labels: Mapping[str, str]) -> None:
        """Have a balancer do what a plan says, made or not. Raises CloudError."""

    def remove_balancer(self, balancer_id: str) -> None:
        """Remove a balancer; one that is gone already is fine."""

    def balancer_stats(self, balancer_id: str) -> BalancerStats:
        """What a balancer counts; nothing while it does not run."""

    def ended_balancers(self) -> Collection[str]:
        """The balancers whose process has ended by itself."""


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
