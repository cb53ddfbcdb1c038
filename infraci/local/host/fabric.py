"""The fabric: networks, servers' cards and routers, made of network namespaces.

A network is the namespace ``infraci-n-…`` with the bridge ``br0`` in it
(:mod:`infraci.local.host.segment`), a server ``infraci-s-…`` with ``eth0``, ``eth1``…, a router
``infraci-r-…`` (:mod:`infraci.local.host.router`), a load balancer ``infraci-b-…``
(:mod:`infraci.local.host.haproxy`). So networks of the same addresses never meet.

The fabric keeps no state: the kernel lists the namespaces, and each one's loopback device bears its
labels.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infraci.local.host import haproxy, router, segment
from infraci.local.host.haproxy import Haproxy
from infraci.local.host.host_bridge import HostBridge, Pools
from infraci.local.host.netns import HOST, Namespace, WiringError, clip, namespaces, short
from infraci.local.host.port_filter import NetworkFilter
from infraci.local.host.router import Router
from infraci.local.host.segment import CLOUD_ADDRESS, Segment

_SERVER = "infraci-s-"
_BALANCER = "infraci-b-"
_KINDS = {
    segment.PREFIX: "network",
    _SERVER: "server",
    router.PREFIX: "router",
    _BALANCER: "load balancer",
}
#: A server forwards nothing by default, and has ::1 but no other IPv6 address.
_SERVER_SYSCTLS = {
    "ipv4/ip_forward": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/default/arp_notify": 1,
    "ipv6/conf/default/disable_ipv6": 1,
}

#: Of a card with IPv6 addresses: the cloud chose them, they are free, neighbours learn of them.
_IPV6_CARD = {"accept_ra": 0, "accept_dad": 0, "ndisc_notify": 1, "disable_ipv6": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network card of a server."""

    #: ``eth0``, ``eth1``…
    device: str
    #: Empty for the host's bridge, on which are the public addresses.
    network_id: str
    mac: str
    #: With prefix length, as in ``10.0.0.5/24``.
    addresses: tuple[str, ...]
    #: The gateways of its first IPv4 and its first IPv6 subnet that have one.
    gateway: str | None = None
    gateway6: str | None = None
    #: The subnets' host routes: destination and next hop.
    routes: tuple[tuple[str, str], ...] = ()
    #: None for that of the machine's uplink.
    mtu: int | None = None

    @property
    def ipv4(self) -> str | None:
        """Its first IPv4 address, by which the host and the cloud know its server."""
        bare = (address.partition("/")[0] for address in self.addresses)
        return next((address for address in bare if "." in address), None)

    @property
    def has_ipv6(self) -> bool:
        """Whether it has an IPv6 address, besides the one that it makes itself on its link."""
        return any(":" in address for address in self.addresses)


def access_nic(nics: Sequence[Nic]) -> Nic | None:
    """Return the card by which the host and the cloud know a server: the first with IPv4."""
    return next((nic for nic in nics if nic.ipv4), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNamespace:
    """A namespace of ours on this machine."""

    #: ``network``, ``server``, ``router`` or ``load balancer``.
    kind: str
    namespace: str
    #: ``cloud``, ``id`` and whatever else it was labelled with; empty if it bears no labels.
    labels: Mapping[str, str]


def find_all() -> tuple[OwnNamespace, ...]:
    """Return every namespace of ours on this machine, of whichever cloud."""
    return tuple(
        OwnNamespace(kind=kind, namespace=namespace.name, labels=namespace.labels() or {})
        for prefix, kind in _KINDS.items()
        for namespace in namespaces(prefix)
    )


def server_namespace(server_id: str) -> Path:
    """Return the file of a server's namespace, for its container."""
    return _server(server_id).path


def network_end(server_id: str, device: str) -> str:
    """Return the name of the network's end of a server's card (``eth0``…)."""
    return f"s{short(server_id)}{device.removeprefix('eth')}"


class Fabric:
    """The networks of one cloud. Safe to use from several threads; all calls are idempotent."""

    def __init__(
        self, cloud_id: str, pools: Pools, *, mtu: int = 1500, is_guarded: bool = True
    ) -> None:
        """Build on ``pools`` (see ``choose_pools``), with the MTU of the machine's uplink.

        ``is_guarded`` is whether packets are filtered by :meth:`guard`; not every kernel can.
        """
        self._cloud_id = cloud_id
        self._is_guarded = is_guarded
        self._guarded: set[str] = set()  # networks that are whole and let packets be filtered
        self._host = HostBridge(cloud_id, pools, mtu=mtu)
        # What several threads may ask for at once; a server's own wires are one thread's.
        self._lock = threading.RLock()

    def ensure_host(self) -> None:
        """Make the host's bridge and its packet filter; also mends them."""
        with self._lock:
            self._host.ensure()

    def keep_forwarding(self) -> None:
        """See to it that the host still forwards, while there are networks."""
        self._host.keep_forwarding()

    def open_ports(self, *, signal: int, host: Collection[int] = ()) -> None:
        """Let servers reach these ports of the host, and no others.

        They reach ``signal`` at 169.254.169.254, where TCP's port 80 and UDP's port 53 are the
        same: its listener has the pools' ``access_host`` as its address, and sees each server by
        its access address. Behind a router they reach those of ``host`` as well, by TCP, and the
        host's name server.
        """
        self._host.open_ports(signal=signal, host=host)

    def teardown(self) -> None:
        """Remove everything of this cloud, and undo what was changed on the host."""
        with self._lock:
            for own in self.list_ours():
                self._remove(own)
            self._guarded.clear()
            self._host.remove()

    def list_ours(self) -> tuple[OwnNamespace, ...]:
        """Return what there is of this cloud."""
        return tuple(f for f in find_all() if f.labels.get("cloud") == clip(self._cloud_id))

    def remove_namespace(self, own: OwnNamespace) -> None:
        """Remove a namespace that :meth:`list_ours` or :func:`find_all` found."""
        with self._lock:
            self._remove(own)

    def label(self, kind: str, object_id: str, labels: Mapping[str, str]) -> None:
        """Add labels to what has that kind and id: its run, its expiry."""
        prefix = next(p for p, k in _KINDS.items() if k == kind)
        namespace = Namespace(f"{prefix}{short(object_id)}")
        namespace.label({**(namespace.labels() or {}), **labels})

    # Networks

    def create_network(self, network_id: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a network: a bridge that nothing is plugged into."""
        network = Segment(network_id, self._host)
        with self._lock:
            if not network.namespace.is_whole():
                network.create(self._labels(network_id, labels), is_guarded=self._is_guarded)
                self._guarded.add(network_id)

    def guard(self, network_id: str, network: NetworkFilter) -> bool:
        """Let pass between a network's servers, and to and from them, what these rules accept.

        Takes effect at once and as a whole; a card that is not among them passes nothing.
        Returns False when there is no such network yet, or no more.
        """
        guarded = Segment(network_id, self._host)
        # A network that is being made would lose the rules again: its last step is to pass nothing.
        with self._lock:
            if network_id not in self._guarded:
                if not guarded.namespace.is_whole():
                    return False
                if self._is_guarded:
                    guarded.renew()
                self._guarded.add(network_id)
            try:
                if self._is_guarded:
                    guarded.guard(network)
            except WiringError:
                if guarded.namespace.exists():
                    raise
        return guarded.namespace.exists()

    def delete_network(self, network_id: str) -> None:
        """Remove a network; cards still plugged into it are gone with it."""
        with self._lock:
            segment.delete(segment.namespace_of(network_id))
            self._guarded.discard(network_id)

    # Servers

    def create_server_namespace(
        self, server_id: str, labels: Mapping[str, str] | None = None
    ) -> Path:
        """Make the namespace a server is to live in, without any card; return its file."""
        return self._create_end(_server(server_id), server_id, labels).path

    def _create_end(
        self, namespace: Namespace, id_: str, labels: Mapping[str, str] | None
    ) -> Namespace:
        if not namespace.is_whole():
            namespace.create(self._labels(id_, labels), _SERVER_SYSCTLS)
            namespace.finish()
        return namespace

    def delete_server_namespace(self, server_id: str) -> None:
        """Remove a server's namespace and its cards."""
        _server(server_id).delete()

    def plug(self, server_id: str, nic: Nic) -> None:
        """Give a server a card, up and addressed, whether it runs already or not."""
        self._plug(_server(server_id), network_end(server_id, nic.device), nic)

    def _plug(self, namespace: Namespace, peer: str, nic: Nic) -> None:
        network = segment.namespace_of(nic.network_id)
        mtu = nic.mtu or self._host.mtu
        HOST.ip(
            [
                f"link add {nic.device} netns {namespace.name} address {nic.mac} mtu {mtu}"
                f" type veth peer name {peer} netns {network.name} mtu {mtu}"
            ]
        )
        network.ip([f"link set {peer} master br0 up"])
        if nic.has_ipv6:
            of_card = {f"ipv6/conf/{nic.device}/{name}": n for name, n in _IPV6_CARD.items()}
            namespace.sysctl(of_card)
        namespace.ip(_nic_lines(nic))

    def unplug(self, server_id: str, device: str) -> None:
        """Take a card out of a server."""
        _server(server_id).ip_undo([f"link del {device}"])

    def lead_to_cloud(self, server_id: str, device: str) -> None:
        """Let a server reach the cloud, as for signals, by this card."""
        _server(server_id).ip([f"route replace {CLOUD_ADDRESS}/32 dev {device}"])

    def add_access(self, network_id: str, access: str, fixed: str) -> None:
        """Let the host log in to a server of a network at an access address.

        It is also what the host sees when that server sends a signal.
        """
        Segment(network_id, self._host).add_access(access, fixed)

    def remove_access(self, network_id: str, access: str) -> None:
        """Take an access address away."""
        Segment(network_id, self._host).remove_access(access)

    # Load balancers

    def create_balancer(
        self, balancer_id: str, nics: Collection[Nic], labels: Mapping[str, str] | None = None
    ) -> Haproxy:
        """Make a load balancer's namespace with these cards, and no others."""
        namespace = self._create_end(_balancer(balancer_id), balancer_id, labels)
        macs = {"lo": "00:00:00:00:00:00"} | {nic.device: nic.mac for nic in nics}
        links = {link["ifname"]: link["address"] for link in namespace.show("link")}
        others = [device for device, mac in links.items() if macs.get(device) != mac]
        namespace.ip_undo([f"link del {device}" for device in others])
        for nic in nics:
            if nic.network_id:
                self._plug(namespace, network_end(balancer_id, nic.device), nic)
            else:
                self._plug_outside(namespace, f"iqb{short(balancer_id)}", nic)
        return self.haproxy(balancer_id)

    def _plug_outside(self, namespace: Namespace, peer: str, nic: Nic) -> None:
        mtu = self._host.mtu
        HOST.ip(
            [
                f"link add {peer} mtu {mtu} type veth peer name {nic.device}"
                f" netns {namespace.name} address {nic.mac} mtu {mtu}",
                f"link set {peer} master {self._host.pools.bridge} up",
            ]
        )
        namespace.ip(_nic_lines(nic))
        for address in nic.addresses:
            self._host.announce(address.partition("/")[0], nic.mac)

    def delete_balancer(self, balancer_id: str) -> None:
        """Remove a load balancer's namespace, its cards, and its haproxy."""
        haproxy.remove(_balancer(balancer_id))

    def haproxy(self, balancer_id: str) -> Haproxy:
        """What balances in a load balancer's namespace, made or not."""
        return Haproxy(_balancer(balancer_id))

    # Routers

    def create_router(self, router_id: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a router without any leg."""
        with self._lock:
            if not self.router(router_id).namespace.is_whole():
                self.router(router_id).create(self._labels(router_id, labels))

    def delete_router(self, router_id: str) -> None:
        """Remove a router and its legs."""
        with self._lock:
            router.delete(self.router(router_id).namespace)

    def router(self, router_id: str) -> Router:
        """A router, made or not."""
        return Router(router_id, self._host, self._lock)

    def _labels(self, object_id: str, labels: Mapping[str, str] | None) -> dict[str, str]:
        return {**(labels or {}), "cloud": self._cloud_id, "id": object_id}

    @staticmethod
    def _remove(own: OwnNamespace) -> None:
        namespace = Namespace(own.namespace)
        remove = {
            "network": segment.delete,
            "router": router.delete,
            "server": Namespace.delete,
            "load balancer": haproxy.remove,
        }
        remove[own.kind](namespace)


def _server(server_id: str) -> Namespace:
    return Namespace(f"{_SERVER}{short(server_id)}")


def _balancer(balancer_id: str) -> Namespace:
    return Namespace(f"{_BALANCER}{short(balancer_id)}")


def _nic_lines(nic: Nic) -> list[str]:
    """Return the lines of ``ip`` for the server's namespace once the card is there."""
    lines = [f"addr replace {address} dev {nic.device}" for address in nic.addresses]
    lines.append(f"link set {nic.device} up")
    if nic.device == "eth0" and nic.ipv4:
        lines.append(f"route replace {CLOUD_ADDRESS}/32 dev eth0")
    lines += [f"route replace {to} via {hop} dev {nic.device}" for to, hop in nic.routes]
    return [*lines, *_default_routes(nic)]


def _default_routes(nic: Nic) -> Iterator[str]:
    """The first card's default routes win; the others' are there should they go."""
    number = int(nic.device.removeprefix("eth"))
    networks = [ipaddress.ip_interface(address).network for address in nic.addresses]
    for everything, gateway, first in (("default", nic.gateway, 0), ("::/0", nic.gateway6, 1024)):
        if gateway is not None:
            is_near = any(ipaddress.ip_address(gateway) in network for network in networks)
            onlink = "" if is_near else " onlink"
            metric = f" metric {first + 100 + number}" if number else ""
            yield f"route replace {everything} via {gateway} dev {nic.device}{onlink}{metric}"
