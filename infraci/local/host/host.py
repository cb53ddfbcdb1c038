"""Runs servers, networks and routers on this machine, as containers and namespaces.

The cloud's process can validate templates on a machine without podman and without root. Only when
a first network or server is to be made, it probes the machine; what the machine lacks is an error
that says how to install it. When the last of them is removed, the host is as it was before.
"""

from __future__ import annotations

import ipaddress
import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from infraci.errors import CloudError
from infraci.local.host import image_store as images
from infraci.local.host import mounts
from infraci.local.host.balancer_plan import BalancerPlan, BalancerStats
from infraci.local.host.capabilities import (
    find_uplink,
    install_command,
    missing_haproxy,
    probe,
)
from infraci.local.host.fabric import Fabric, Nic, access_nic, server_namespace
from infraci.local.host.host_bridge import Pools, choose_pools
from infraci.local.host.host_interface import BootPlan, Disk, MountRequest
from infraci.local.host.podman import (
    LABEL_CLOUD,
    LABEL_SERVER,
    ContainerSpec,
    ContainerState,
    Furnish,
    Podman,
)
from infraci.local.host.port_filter import NetworkFilter
from infraci.local.host.resolvers import find_resolvers
from infraci.local.host.router import Router
from infraci.local.host.segment import CLOUD_ADDRESS
from infraci.local.host.server_sockets import ServerSockets
from infraci.local.host.shown_disks import ShownDisks
from infraci.local.state_dir import StateDir

LOG = logging.getLogger(__name__)

_DEFAULT_MTU = 1500
#: What a cloud that only plans may assume, on a machine that can't be asked.
_ASSUMED = Pools(
    bridge="infraci0",
    public=ipaddress.IPv4Network("172.24.104.0/24"),
    access=ipaddress.IPv4Network("172.24.105.0/24"),
)


class Host:
    """This machine, with podman for servers and the fabric for networks."""

    def __init__(
        self, state_dir: StateDir, *, signal_port: int, host_ports: Collection[int] = ()
    ) -> None:
        """Let servers behind a router reach the TCP ports ``host_ports`` of this machine."""
        self._state_dir = state_dir
        self._signal_port = signal_port
        self._host_ports = host_ports
        # Guards the host's bridge: it is made for the first user of it, removed after the last.
        self._lock = threading.RLock()
        self._in_use: set[str] = set()
        self._no_pools: CloudError | None = None  # why this cloud can only plan
        self._references: dict[str, str] = {}  # of the images that were there when last needed
        self._inits: dict[str, int] = {}  # the process id of each running server's init
        self._balancing: dict[str, int] = {}  # the process id of each balancer's haproxy
        self._labels: dict[str, Mapping[str, str]] = {}  # what each network is labelled with
        self._disks = ShownDisks()
        #: Where servers ask for what they cannot do; the cloud sets what answers them.
        self.sockets = ServerSockets()

    @cached_property
    def pools(self) -> Pools:
        """The bridge and the addresses on the host that only this cloud uses while it runs."""
        try:
            return choose_pools(self._state_dir.owner)
        except CloudError as error:
            LOG.warning("assuming the usual addresses: %s", error)
            self._no_pools = error
            return _ASSUMED

    @cached_property
    def mtu(self) -> int:
        """The MTU of the machine's uplink, which is the largest that a network can have."""
        uplink = find_uplink()
        return uplink.mtu if uplink else _DEFAULT_MTU

    @cached_property
    def _tools(self) -> tuple[Podman, Fabric]:
        capabilities = probe()
        missing = capabilities.missing()
        if missing:
            raise CloudError(
                "cannot stand up servers on this machine: "
                + "; ".join(lack.what for lack in missing),
                hint=install_command(missing) or "; ".join(lack.remedy for lack in missing),
            )
        pools = self.pools
        if self._no_pools is not None:
            raise self._no_pools
        is_guarded = capabilities.filters_packets
        fabric = Fabric(self._state_dir.owner, pools, mtu=self.mtu, is_guarded=is_guarded)
        self._in_use |= {ours.labels.get("id", ours.namespace) for ours in fabric.list_ours()}
        if self._in_use:
            self._open(fabric)
        return Podman(capabilities, self._state_dir.folder / "servers"), fabric

    @property
    def _podman(self) -> Podman:
        with self._lock:
            return self._tools[0]

    @property
    def _fabric(self) -> Fabric:
        with self._lock:
            return self._tools[1]

    def _open(self, fabric: Fabric) -> None:
        fabric.ensure_host()
        fabric.open_ports(signal=self._signal_port, host=self._host_ports)

    def _acquire(self, id_: str, make: Callable[[], object]) -> None:
        with self._lock:
            fabric = self._fabric
            if not self._in_use:
                self._open(fabric)
            self._in_use.add(id_)
        make()

    def _release(self, id_: str) -> None:
        with self._lock:
            self._in_use.discard(id_)
            if not self._in_use:
                self._fabric.teardown()

    # Networks and routers

    def create_network(self, network_id: str) -> None:
        """Make a network."""
        self._acquire(network_id, lambda: self._fabric.create_network(network_id))

    def delete_network(self, network_id: str) -> None:
        """Remove a network; one that was never made is no error."""
        if network_id in self._in_use:
            self._fabric.delete_network(network_id)
            self._labels.pop(network_id, None)
            self._release(network_id)

    def guard_network(self, network_id: str, network: NetworkFilter) -> bool:
        """Let pass in a network what these rules accept; False while it does not stand."""
        return network_id in self._in_use and self._fabric.guard(network_id, network)

    def create_router(self, router_id: str) -> None:
        """Make a router."""
        self._acquire(router_id, lambda: self._fabric.create_router(router_id))

    def delete_router(self, router_id: str) -> None:
        """Remove a router."""
        self._fabric.delete_router(router_id)
        self._release(router_id)

    def router(self, router_id: str) -> Router:
        """A router, made or not."""
        return self._fabric.router(router_id)

    # Load balancers

    def check_balancers(self) -> None:
        """Raise CloudError if this machine can have no load balancers: it lacks haproxy."""
        if lack := missing_haproxy():
            raise CloudError(
                f"cannot balance load on this machine: it lacks {lack.what}", hint=lack.remedy
            )

    def balance(self, plan: BalancerPlan, nics: Collection[Nic], labels: Mapping[str, str]) -> None:
        """Have a balancer do what a plan says, made or not."""
        for network_id in dict.fromkeys(nic.network_id for nic in nics if nic.network_id):
            self.create_network(network_id)
        fabric = self._fabric
        own = {key.removeprefix("infraci."): value for key, value in labels.items()}
        self._acquire(plan.id, lambda: fabric.create_balancer(plan.id, nics, own))
        self._balancing.pop(plan.id, None)
        pid = fabric.haproxy(plan.id).apply(plan)
        if pid is not None:
            self._balancing[plan.id] = pid

    def remove_balancer(self, balancer_id: str) -> None:
        """Remove a balancer; one that is gone already is fine."""
        self._balancing.pop(balancer_id, None)
        if balancer_id in self._in_use:
            self._fabric.delete_balancer(balancer_id)
            self._release(balancer_id)

    def balancer_stats(self, balancer_id: str) -> BalancerStats:
        """What a balancer counts; nothing while it does not run."""
        if balancer_id not in self._balancing:
            return {}
        return self._fabric.haproxy(balancer_id).stats()

    def ended_balancers(self) -> Collection[str]:
        """The balancers whose process has ended by itself."""
        return [id_ for id_, pid in list(self._balancing.items()) if not _runs(pid)]

    # Servers

    def boot(self, plan: BootPlan) -> None:
        """Wire and start a new server."""
        self._wire(plan)
        known = self._references.get(plan.image)
        try:
            init = self._create(plan, known or self._ensure_image(plan.image))
        except CloudError:
            if known is None or images.is_there(plan.image):
                raise
            init = self._create(plan, self._ensure_image(plan.image))
        self._inits[plan.id] = init
        self._listen(plan.id)

    def _listen(self, server_id: str) -> None:
        self.sockets.open(server_id, self._podman.socket_folder(server_id))

    def _ensure_image(self, image: str) -> str:
        """Build or pull an image unless it is there; returns podman's reference to it."""
        present = images.ensure(image, on_progress=LOG.warning)
        self._references[image] = present.reference
        return present.reference

    def _create(self, plan: BootPlan, image: str) -> int:
        return self._podman.create_server(
            ContainerSpec(
                id=plan.id,
                name=plan.name,
                hostname=plan.hostname,
                image=image,
                netns=server_namespace(plan.id),
                cpus=plan.vcpus,
                memory_mb=plan.ram_mb,
                labels={**plan.labels, LABEL_CLOUD: self._state_dir.owner, LABEL_SERVER: plan.id},
                seed=plan.config_drive,
                dns=plan.dns or self._own_resolvers(plan),
                domain=plan.domain,
            ),
            self._furnishing(plan.id, plan.disks),
        )

    @staticmethod
    def _own_resolvers(plan: BootPlan) -> tuple[str, ...]:
        """The cloud knows the names of servers, this machine's name servers know all others."""
        cloud = (CLOUD_ADDRESS,) if access_nic(plan.nics) else ()
        return (*cloud, *find_resolvers())

    def _wire(self, plan: BootPlan) -> None:
        labels = {key.removeprefix("infraci."): value for key, value in plan.labels.items()}
        fabric = self._fabric
        for network_id in dict.fromkeys(nic.network_id for nic in plan.nics):
            self.create_network(network_id)
            if self._labels.get(network_id) != labels:
                fabric.label("network", network_id, labels)
                self._labels[network_id] = labels
        self._acquire(plan.id, lambda: fabric.create_server_namespace(plan.id, labels))
        for nic in plan.nics:
            fabric.plug(plan.id, nic)
        known = access_nic(plan.nics)
        if known and known.ipv4:
            if known.device != "eth0":
                fabric.lead_to_cloud(plan.id, known.device)
            if plan.access:
                fabric.add_access(known.network_id, plan.access, known.ipv4)

    def start(self, plan: BootPlan) -> None:
        """Wire and start a server that was stopped."""
        self._wire(plan)
        self._podman.start(plan.id, self._furnishing(plan.id, plan.disks))
        self._inspect(plan.id)

    def stop(self, server_id: str) -> None:
        """Shut a server down."""
        self._inits.pop(server_id, None)
        self._podman.stop(server_id)

    def reboot(self, server_id: str, *, hard: bool, disks: Sequence[Disk] = ()) -> None:
        """Shut a server down and start it."""
        self._inits.pop(server_id, None)
        if disks:
            self._podman.stop(server_id, timeout_s=0 if hard else 20)
            self._podman.start(server_id, self._furnishing(server_id, disks))
        else:
            self._podman.reboot(server_id, hard=hard)
        self._inspect(server_id)

    def freeze(self, server_id: str) -> None:
        """Hold all processes of a server."""
        self._podman.freeze(server_id)

    def thaw(self, server_id: str) -> None:
        """Let the processes of a frozen server go on."""
        self._podman.thaw(server_id)

    def resize(self, server_id: str, *, vcpus: int, ram_mb: int) -> None:
        """Change a server's limits."""
        self._podman.resize(server_id, cpus=vcpus, memory_mb=ram_mb)

    def remove(self, server_id: str, *, access: str | None, network_id: str | None) -> None:
        """Remove a server and its wires; one that is gone already is fine."""
        self._inits.pop(server_id, None)
        self.sockets.close(server_id)
        self._disks.forget(server_id)
        with ThreadPoolExecutor(max_workers=1) as executor:
            removed = executor.submit(self._podman.remove, server_id)
            if access and network_id:
                self._fabric.remove_access(network_id, access)
        removed.result()
        self._fabric.delete_server_namespace(server_id)
        self._release(server_id)

    def plug(self, server_id: str, nic: Nic) -> None:
        """Give a running server a network card."""
        self.create_network(nic.network_id)
        self._fabric.plug(server_id, nic)

    def unplug(self, server_id: str, device: str) -> None:
        """Take a network card out of a running server."""
        self._fabric.unplug(server_id, device)

    def move_access(
        self, server_id: str, access: str, *, before: Nic | None, after: Nic | None
    ) -> None:
        """Move an access address from one card to another."""
        if before:
            self._fabric.remove_access(before.network_id, access)
        if after and after.ipv4:
            self._fabric.add_access(after.network_id, access, after.ipv4)
            self._fabric.lead_to_cloud(server_id, after.device)

    def show_disk(self, server_id: str, disk: Disk) -> None:
        """Let a server, if it runs, have a block device."""
        if init := self._inits.get(server_id):
            self._disks.show(init, server_id, [disk])

    def hide_disk(self, server_id: str, disk: Disk) -> None:
        """Take a block device from a server, and all that is mounted of it."""
        if init := self._inits.get(server_id):
            self._disks.hide(init, server_id, disk)

    def watch_partitions(self) -> None:
        """Give servers block devices of the partitions that they have made since the last call."""
        self._disks.watch_partitions(self._inits)

    def _furnishing(self, server_id: str, disks: Sequence[Disk]) -> Furnish | None:
        """What gives a server its block devices before it looks for them."""
        return (lambda init: self._disks.show(init, server_id, disks)) if disks else None

    def mount(self, server_id: str, disks: Sequence[Disk], request: MountRequest) -> None:
        """Mount one of a server's disks. Raises CloudError with the words of `mount`."""
        mounts.mount(self._init_of(server_id), server_namespace(server_id), disks, request)

    def unmount(self, server_id: str, disks: Sequence[Disk], target: str, *, is_lazy: bool) -> None:
        """Undo the latest mount of a server's disk on a folder. Raises CloudError."""
        init, namespace = self._init_of(server_id), server_namespace(server_id)
        mounts.unmount(init, namespace, disks, target, is_lazy=is_lazy)

    def _init_of(self, server_id: str) -> int:
        """The process id of a server's init, also of one that begins to run just now."""
        if init := self._inits.get(server_id):
            return init
        state = self._podman.inspect(server_id)
        if state is None or not state.pid:
            raise CloudError("the server does not run")
        return state.pid

    def console(self, server_id: str) -> str:
        """What the server wrote to its console."""
        return self._podman.logs(server_id)

    def states(self) -> Mapping[str, bool]:
        """The servers there are, and whether each runs; none on a machine that can't have any."""
        try:
            containers = self._podman.list_servers({LABEL_CLOUD: self._state_dir.owner})
        except CloudError:
            return {}
        self._inits = {state.id: state.pid for state in containers if state.running}
        for server_id in self._inits:
            self._listen(server_id)
        return {state.id: state.running for state in containers}

    def ended(self) -> Mapping[str, bool]:
        """The servers that ended by themselves since the last call → whether for a reboot."""
        ended = {}
        if self._inits:
            self._fabric.keep_forwarding()
        for server_id, init in list(self._inits.items()):
            if not Path(f"/proc/{init}").exists():
                state = self._inspect(server_id)
                if state is not None and not state.running:
                    ended[server_id] = state.wants_reboot
        return ended

    def _inspect(self, server_id: str) -> ContainerState | None:
        state = self._podman.inspect(server_id)
        self._inits.pop(server_id, None)
        if state is not None and state.running:
            self._inits[server_id] = state.pid
        return state

    def sweep(self, *, known: Collection[str], dry_run: bool) -> list[str]:
        """Remove the namespaces of unknown servers and networks; returns a line for each."""
        try:
            unknown = [own for own in self._fabric.list_ours() if own.labels.get("id") not in known]
        except CloudError:
            return []
        if not dry_run:
            for own in unknown:
                self._fabric.remove_namespace(own)
                self._release(own.labels.get("id", own.namespace))
        return [f"{own.kind} {own.labels.get('id', own.namespace)}" for own in unknown]


def _runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
