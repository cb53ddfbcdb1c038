"""A network's own namespace: a bridge for its servers, and the cloud at 169.254.169.254.

It has a leg, ``up0``, on the host's bridge (:mod:`infraci.local.host.host_bridge`) for two things
only: logins from the host to a server's access address, and what servers send to the cloud's
address: signals, and questions for metadata and names.
"""

from __future__ import annotations

from collections.abc import Mapping

from infraci.local.host import port_filter
from infraci.local.host.host_bridge import HostBridge, Pools
from infraci.local.host.netns import HOST, TABLE, Namespace, mac_for, short
from infraci.local.host.port_filter import NetworkFilter

#: Where every network knows the cloud, as on any OpenStack.
CLOUD_ADDRESS = "169.254.169.254"
PREFIX = "infraci-n-"

_SYSCTLS = {
    "ipv4/ip_forward": 1,
    "ipv4/conf/all/send_redirects": 0,
    "ipv4/conf/default/send_redirects": 0,
    "ipv4/conf/all/rp_filter": 0,
    "ipv4/conf/default/rp_filter": 0,
    "ipv4/conf/all/arp_ignore": 1,
    "ipv4/conf/all/arp_announce": 2,
    "ipv6/conf/all/disable_ipv6": 1,
    "ipv6/conf/default/disable_ipv6": 1,
    "bridge/bridge-nf-call-iptables": 0,
    "bridge/bridge-nf-call-ip6tables": 0,
    "bridge/bridge-nf-call-arptables": 0,
}


class Segment:
    """A network, by its Neutron ID."""

    def __init__(self, network_id: str, host: HostBridge) -> None:
        self.namespace = namespace_of(network_id)
        self._id = network_id
        self._host = host

    def create(self, labels: Mapping[str, str], *, is_guarded: bool) -> None:
        """Make the namespace, with a bridge that nothing is plugged into.

        Where it is guarded, a server's port passes nothing until :meth:`guard` knows it.
        """
        namespace, mtu, pools = self.namespace, self._host.mtu, self._host.pools
        uplink = _uplink(namespace)
        namespace.create(labels, _SYSCTLS | (port_filter.SYSCTLS if is_guarded else {}))
        HOST.ip(
            [
                f"link add {uplink} mtu {mtu} type veth"
                f" peer name up0 netns {namespace.name} mtu {mtu}",
                f"link set {uplink} master {pools.bridge} up",
            ]
        )
        guard = port_filter.ruleset(port_filter.NOTHING) if is_guarded else ""
        namespace.nft(_rules(pools) + guard)
        namespace.finish(
            [
                f"link add br0 address {mac_for('bridge', self._id)} mtu {mtu}"
                " type bridge mcast_snooping 0",
                "link set br0 up",
                f"addr replace {CLOUD_ADDRESS}/32 dev br0",
                "link set up0 up",
                f"route replace {pools.access_host}/32 dev up0",
            ]
        )

    def guard(self, network: NetworkFilter) -> None:
        """Let pass what these rules accept, in place of what others did."""
        self.namespace.nft(port_filter.ruleset(network))

    def renew(self) -> None:
        """Give a network that an earlier process has made today's rules, to be guarded by."""
        self.namespace.sysctl(port_filter.SYSCTLS)
        self.namespace.nft(_rules(self._host.pools))

    def add_access(self, access: str, fixed: str) -> None:
        """Let the host log in to a server at an access address, which also stands for it there."""
        for outer, inner in self.namespace.map_entries("access").items():
            if (outer == access) != (inner == fixed):
                self.remove_access(outer)
        self.namespace.ip(
            [
                f"addr replace {access}/32 dev up0",
                # It goes with the last address, as when a server takes another one's place.
                f"route replace {self._host.pools.access_host}/32 dev up0",
                f"route replace {fixed}/32 dev br0 src {CLOUD_ADDRESS}",
            ]
        )
        self.namespace.nft(
            f"add element {TABLE} access {{ {access} : {fixed} }}\n"
            f"add element {TABLE} origin {{ {fixed} : {access} }}\n"
            f"add element {TABLE} servers {{ {fixed} }}\n"
        )
        # Another server may have had the one address or the other just before.
        self.namespace.ip_undo([f"neigh flush to {fixed} dev br0"])
        self._host.forget(access)

    def remove_access(self, access: str) -> None:
        """Take an access address away."""
        if not self.namespace.exists():
            return
        fixed = self.namespace.map_entries("access").get(access)
        undo = [f"addr del {access}/32 dev up0"]
        if fixed is not None:
            self.namespace.nft(
                f"delete element {TABLE} access {{ {access} }}\n"
                f"delete element {TABLE} origin {{ {fixed} }}\n"
                f"delete element {TABLE} servers {{ {fixed} }}\n"
            )
            undo.append(f"route del {fixed}/32 dev br0")
        self.namespace.ip_undo(undo)


def namespace_of(network_id: str) -> Namespace:
    """Return a network's namespace, made or not."""
    return Namespace(f"{PREFIX}{short(network_id)}")


def delete(namespace: Namespace) -> None:
    """Remove a network's namespace with all that is plugged in; gone already is a success."""
    HOST.ip_undo([f"link del {_uplink(namespace)}", f"netns del {namespace.name}"])


def _uplink(namespace: Namespace) -> str:
    """Return the name of the host's end of a network's leg."""
    return f"iqn{namespace.name.removeprefix(PREFIX)}"


def _rules(pools: Pools) -> str:
    """Return the packet filter.

    In by ``up0`` come the host's logins, out go signals, and each is translated on both sides:
    a server sees the cloud's address only, the host the server's access address. Of all else
    nothing is forwarded, so that a server cannot use the namespace as its router.
    """
    return f"""\
add table {TABLE}
add map {TABLE} access {{ type ipv4_addr : ipv4_addr; }}
add map {TABLE} origin {{ type ipv4_addr : ipv4_addr; }}
add set {TABLE} servers {{ type ipv4_addr; }}
add chain {TABLE} prerouting {{ type nat hook prerouting priority dstnat; }}
add chain {TABLE} postrouting {{ type nat hook postrouting priority srcnat; }}
add chain {TABLE} forward {{ type filter hook forward priority filter; policy drop; }}
add chain {TABLE} input {{ type filter hook input priority filter; policy drop; }}
flush chain {TABLE} prerouting
flush chain {TABLE} postrouting
flush chain {TABLE} forward
flush chain {TABLE} input
add rule {TABLE} prerouting iifname "up0" ip saddr {pools.access_host} \
dnat to ip daddr map @access
add rule {TABLE} prerouting iifname "br0" ip saddr @servers ip daddr {CLOUD_ADDRESS} \
meta l4proto {{ tcp, udp }} dnat to {pools.access_host}
add rule {TABLE} postrouting oifname "br0" ct status dnat snat to {CLOUD_ADDRESS}
add rule {TABLE} postrouting oifname "up0" snat to ip saddr map @origin
add rule {TABLE} forward ct state {{ established, related }} accept
add rule {TABLE} forward iifname "up0" oifname "br0" ct status dnat accept
add rule {TABLE} forward iifname "br0" oifname "up0" ct status dnat accept
add rule {TABLE} forward iifname "br0" oifname "br0" accept
add rule {TABLE} input iifname "br0" icmp type echo-request accept
"""
