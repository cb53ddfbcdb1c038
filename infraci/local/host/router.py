"""Routers: namespaces that forward between networks, and translate addresses at the edge.

A router has a leg in each network it joins (``qr…``) and, given an external gateway, one on the
host's bridge (``qg0``), as Neutron's L3 agent has it. Floating IPs are addresses of that leg.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec

from infraci.local.host.host_bridge import HostBridge
from infraci.local.host.netns import (
    HOST,
    TABLE,
    Namespace,
    digest,
    mac_for,
    short,
)
from infraci.local.host.segment import namespace_of

_Arguments = ParamSpec("_Arguments")

PREFIX = "infraci-r-"
_DEFAULT = "0.0.0.0/0"
_EXTERNAL = "qg0"
#: What came in by an internal leg; the postrouting hook cannot ask for that.
_INSIDE = "0x1"
_SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/arp_ignore": 1,
    "ipv4/conf/all/arp_announce": 2,
    "ipv4/conf/default/arp_notify": 1,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
}
#: Of a leg with IPv6 addresses: the cloud chose them, they are free, neighbours learn of them.
_IPV6_LEG = {"accept_ra": 0, "accept_dad": 0, "ndisc_notify": 1, "disable_ipv6": 0}
#: Destination first, so that a server's floating IP stands for it from inside, too. On the way
#: out a server with a floating IP is seen by it, any other by the router's own address (chain
#: ``gateway``). A connection from inside to a floating IP is translated in both directions, or
#: a neighbour's answer would go past the router.
_RULES = f"""\
add table {TABLE}
add map {TABLE} floating {{ type ipv4_addr : ipv4_addr; }}
add map {TABLE} fixed {{ type ipv4_addr : ipv4_addr; }}
add chain {TABLE} inside {{ type filter hook prerouting priority mangle; }}
add chain {TABLE} prerouting {{ type nat hook prerouting priority dstnat; }}
add chain {TABLE} postrouting {{ type nat hook postrouting priority srcnat; }}
add chain {TABLE} gateway
add chain {TABLE} forward {{ type filter hook forward priority filter; }}
flush chain {TABLE} inside
flush chain {TABLE} prerouting
flush chain {TABLE} postrouting
add rule {TABLE} inside iifname != "{_EXTERNAL}" meta mark set {_INSIDE}
add rule {TABLE} prerouting dnat to ip daddr map @floating
add rule {TABLE} postrouting oifname "{_EXTERNAL}" jump gateway
add rule {TABLE} postrouting meta mark {_INSIDE} ct status dnat jump gateway
add rule {TABLE} gateway snat to ip saddr map @fixed
"""

_Method = Callable[Concatenate["Router", _Arguments], None]


def _in_turn(method: _Method[_Arguments]) -> _Method[_Arguments]:
    """Let a method of a router hold its cloud's lock."""

    @wraps(method)
    def locked(router: Router, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        with router._lock:
            method(router, *args, **kwargs)

    return locked


class Router:
    """A router, by its Neutron ID; changes of one cloud's routers are made in turn."""

    def __init__(self, router_id: str, host: HostBridge, lock: RLock) -> None:
        self.namespace = Namespace(f"{PREFIX}{short(router_id)}")
        self._id = router_id
        self._host = host
        self._lock = lock
        self._outside = _outside(self.namespace)

    def create(self, labels: Mapping[str, str]) -> None:
        """Make the namespace; it forwards nothing yet, having no legs."""
        self.namespace.create(labels, _SYSCTLS)
        self.namespace.nft(_RULES)
        self.namespace.finish()

    @_in_turn
    def add_leg(self, network_id: str, mac: str, *addresses: str, mtu: int | None = None) -> None:
        """Join a network with addresses of it (``10.0.0.1/24``); the first is the leg's name."""
        network = namespace_of(network_id)
        leg, peer = _leg(network_id, addresses[0])
        mtu = mtu or self._host.mtu
        HOST.ip(
            [
                f"link add {leg} netns {self.namespace.name} address {mac} mtu {mtu} type veth"
                f" peer name {peer} netns {network.name} mtu {mtu}"
            ]
        )
        network.ip([f"link set {peer} master br0 up"])
        if any(":" in address for address in addresses):
            of_leg = {f"ipv6/conf/{leg}/{name}": value for name, value in _IPV6_LEG.items()}
            self.namespace.sysctl({"ipv6/conf/all/forwarding": 1, **of_leg})
        self.namespace.ip(
            [*(f"addr replace {address} dev {leg}" for address in addresses), f"link set {leg} up"]
        )

    @_in_turn
    def remove_leg(self, network_id: str, address: str) -> None:
        """Leave a network."""
        leg, _ = _leg(network_id, address)
        self.namespace.ip_undo([f"link del {leg}"])

    @_in_turn
    def set_routes(self, routes: Mapping[str, Sequence[str]]) -> None:
        """Send what is for these networks by these addresses, and by no others as before."""
        listed = self.namespace.show("-4", "route", "show", "proto", "static")
        listed += self.namespace.show("-6", "route", "show", "proto", "static")
        present = {_destination(route) for route in listed}
        self.namespace.ip_undo([f"route del {to} proto static" for to in present - routes.keys()])
        lines = [
            f"route replace {to} proto static {' '.join(f'nexthop via {hop}' for hop in hops)}"
            for to, hops in routes.items()
        ]
        if _DEFAULT in present - routes.keys() and self._addresses():
            lines.append(f"route replace default via {self._host.pools.public_host}")
        self.namespace.ip(lines)

    @_in_turn
    def set_gateway(self, address: str, *, snat: bool) -> None:
        """Join the public pool with an address of it, and send there what is for elsewhere.

        With ``snat``, servers without a floating IP are seen by that address outside.
        """
        pools, mtu = self._host.pools, self._host.mtu
        mac = mac_for("gateway", self._id)
        HOST.ip(
            [
                f"link add {self._outside} mtu {mtu} type veth peer name {_EXTERNAL}"
                f" netns {self.namespace.name} address {mac} mtu {mtu}",
                f"link set {self._outside} master {pools.bridge} up",
            ]
        )
        others = [
            f"addr del {old} dev {_EXTERNAL}"
            for old in self._addresses()
            if not old.endswith("/32") and old != f"{address}/{pools.public.prefixlen}"
        ]
        self.namespace.ip_undo(others)
        self.namespace.ip(
            [
                f"addr replace {address}/{pools.public.prefixlen} dev {_EXTERNAL}",
                f"link set {_EXTERNAL} up",
                f"route replace default via {pools.public_host}",
            ]
        )
        rule = f"add rule {TABLE} gateway snat to {address}\n" if snat else ""
        self.namespace.nft(
            f"flush chain {TABLE} gateway\n"
            f"add rule {TABLE} gateway snat to ip saddr map @fixed\n{rule}"
        )
        self._host.announce(address, mac)

    @_in_turn
    def clear_gateway(self) -> None:
        """Leave the public pool, with all floating IPs."""
        HOST.ip_undo([f"link del {self._outside}"])
        if self.namespace.exists():
            self.namespace.nft(
                f"flush chain {TABLE} gateway\n"
                f"add rule {TABLE} gateway snat to ip saddr map @fixed\n"
                f"flush map {TABLE} floating\nflush map {TABLE} fixed\n"
            )

    @_in_turn
    def add_floating(self, floating: str, fixed: str) -> None:
        """Let an address of the public pool stand for a server's own."""
        stale = {
            (outer, inner)
            for outer, inner in self.namespace.map_entries("floating").items()
            if (outer == floating) != (inner == fixed)
        }
        for outer, _ in stale:
            self.remove_floating(outer)
        self.namespace.ip([f"addr replace {floating}/32 dev {_EXTERNAL}"])
        self.namespace.nft(
            f"add element {TABLE} floating {{ {floating} : {fixed} }}\n"
            f"add element {TABLE} fixed {{ {fixed} : {floating} }}\n"
        )
        # Another server may have had the address just before.
        self.namespace.ip_undo([f"neigh flush to {fixed}"])
        self._host.announce(floating, mac_for("gateway", self._id))

    @_in_turn
    def remove_floating(self, floating: str) -> None:
        """Let a floating IP go."""
        if not self.namespace.exists():
            return
        fixed = self.namespace.map_entries("floating").get(floating)
        if fixed is not None:
            self.namespace.nft(
                f"delete element {TABLE} floating {{ {floating} }}\n"
                f"delete element {TABLE} fixed {{ {fixed} }}\n"
            )
        self.namespace.ip_undo([f"addr del {floating}/32 dev {_EXTERNAL}"])

    def _addresses(self) -> list[str]:
        links = self.namespace.show("-4", "addr", "show", "dev", _EXTERNAL)
        return [
            f"{address['local']}/{address['prefixlen']}"
            for link in links
            for address in link["addr_info"]
        ]


def delete(namespace: Namespace) -> None:
    """Remove a router's namespace with its legs; gone already is a success."""
    HOST.ip_undo([f"link del {_outside(namespace)}", f"netns del {namespace.name}"])


def _destination(route: Mapping[str, Any]) -> str:
    """A route's destination as a CIDR."""
    hops = [route.get("gateway"), *(hop.get("gateway") for hop in route.get("nexthops", ()))]
    is_ipv6 = any(":" in hop for hop in hops if hop)
    if route["dst"] == "default":
        return "::/0" if is_ipv6 else _DEFAULT
    return str(ipaddress.ip_network(route["dst"]))


def _outside(namespace: Namespace) -> str:
    """Return the name of the host's end of a router's external leg."""
    return f"iqg{namespace.name.removeprefix(PREFIX)}"


def _leg(network_id: str, address: str) -> tuple[str, str]:
    """Return the names of a leg's two ends, the router's and the network's."""
    bits = digest(network_id, address.partition("/")[0])
    return f"qr{bits}", f"rt{bits}"
