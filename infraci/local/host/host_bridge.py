"""The host's end of the fabric: one bridge, its two pools, and what leaves the machine.

On the bridge are the *public* pool, of which routers have their external addresses and servers
their floating IPs, and the *access* pool, of which every server has the address that the host logs
in to. The public pool reaches the world, masqueraded, and of this machine the name server and the
ports that are opened to it; the access pool reaches nothing but the port on which servers send
signals and ask for metadata and names. Nothing from outside the machine reaches either.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from infraci.base.locks import acquire
from infraci.errors import CloudError
from infraci.local.host.netns import HOST, WiringError, clip, label_text, label_values, mac_for

_IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
#: What others use least (172.24.4.0/24 is DevStack's); then from the range that is set aside for
#: benchmarks of networks.
_PAIRS = (
    ("172.24.104.0/24", "172.24.105.0/24"),
    ("172.31.204.0/24", "172.31.205.0/24"),
    ("10.213.4.0/24", "10.213.5.0/24"),
    ("192.168.244.0/24", "192.168.245.0/24"),
    *((f"198.18.{n}.0/24", f"198.18.{n + 1}.0/24") for n in range(4, 250, 10)),
)
#: Bridge → its public and its access pool, in order of preference: one for each cloud that is up.
_SLOTS = {f"infraci{number}": pair for number, pair in enumerate(_PAIRS)}
_LOCKS = Path("/run/infraci")
#: The locks this process holds on its slots, until it ends.
_held: dict[str, int] = {}
#: So long iptables waits for the lock that another one of it holds, in seconds.
_IPTABLES_S = 15
#: Where servers ask for metadata and names; the cloud listens at the port of signals only.
_WELL_KNOWN = {"tcp": 80, "udp": 53}
_ETHERTYPE_ARP = 0x0806
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """The bridge of a cloud and the addresses on it; the host has the first of each pool."""

    bridge: str
    public: ipaddress.IPv4Network
    access: ipaddress.IPv4Network

    @property
    def public_host(self) -> ipaddress.IPv4Address:
        """The host's address among the public ones: every router's way out."""
        return self.public[1]

    @property
    def access_host(self) -> ipaddress.IPv4Address:
        """The host's address among the access ones: where signals are to be listened for."""
        return self.access[1]


def choose_pools(cloud_id: str, *, public: str | None = None, access: str | None = None) -> Pools:
    """Return a bridge and pools that nothing else on this machine uses, and keep others off them.

    A cloud whose bridge still stands, since its process was killed, gets it again. Raises
    CloudError when a pool asked for overlaps a route of this machine, or when every slot is taken.
    """
    owners = _owners()
    ours = [name for name, labels in owners.items() if _is_of(cloud_id, labels)]
    free = [name for name in _SLOTS if name not in owners]
    for bridge in (*ours, *free):
        pair = (public, access) if public and access else _SLOTS[bridge]
        first, second = (ipaddress.IPv4Network(cidr) for cidr in pair)
        taken = _routed(except_device=bridge)
        if any(first.overlaps(other) or second.overlaps(other) for other in taken):
            continue
        if _lock(bridge):
            if _is_ours_or_unlabelled(cloud_id, HOST.labels(bridge)):
                return Pools(bridge=bridge, public=first, access=second)
            _unlock(bridge)  # another cloud has made it since, and was killed
    if public:
        raise CloudError(
            f"cannot choose addresses for the embedded cloud: this machine already routes "
            f"{public} or {access}",
            hint="`ip route` shows them",
        )
    raise CloudError(
        f"cannot choose addresses for the embedded cloud: each of its {len(_SLOTS)} bridges is "
        "another cloud's, or has addresses that this machine routes elsewhere",
        hint="`ip -details link show type bridge` names the clouds in its aliases, and `ip route` "
        "shows the addresses",
    )


def _owners() -> dict[str, dict[str, str]]:
    """The labels of the bridges that stand, by their names."""
    links = {link["ifname"]: link for link in HOST.show("link", "show", "type", "bridge")}
    aliases = {
        name: label_values(links[name].get("ifalias", "")) for name in _SLOTS if name in links
    }
    return {name: labels or {} for name, labels in aliases.items()}


def _is_ours_or_unlabelled(cloud_id: str, labels: Mapping[str, str] | None) -> bool:
    return labels is None or _is_of(cloud_id, labels)


def _is_of(cloud_id: str, labels: Mapping[str, str] | None) -> bool:
    return labels is not None and labels.get("cloud") == clip(cloud_id)


def _lock(bridge: str) -> bool:
    """Whether this process may have that bridge; two clouds may be about to make it."""
    if bridge in _held:
        return True
    try:
        _LOCKS.mkdir(mode=0o755, exist_ok=True)
        lock = acquire(_LOCKS / f"{bridge}.lock", timeout_s=0.0)
    except PermissionError:
        return True  # a user who may not lock it cannot make it either: a cloud that only plans
    if lock is None:
        return False
    _held[bridge] = lock
    return True


def _unlock(bridge: str) -> None:
    if bridge in _held:
        os.close(_held.pop(bridge))


def _routed(*, except_device: str) -> tuple[ipaddress.IPv4Network, ...]:
    routes = HOST.show("-4", "route", "show", "table", "all")
    return tuple(
        ipaddress.IPv4Network(route["dst"], strict=False)
        for route in routes
        if route.get("dst", "default") != "default" and route.get("dev") != except_device
    )


class HostBridge:
    """The bridge on the host, with its packet filter. It keeps no state: the kernel does."""

    def __init__(self, cloud_id: str, pools: Pools, *, mtu: int) -> None:
        self._cloud_id = cloud_id
        self.pools = pools
        self.mtu = mtu
        self._table = f"ip {pools.bridge}"

    def ensure(self) -> None:
        """Make the bridge, let the host forward, and let the public pool out; again if need be.

        Raises WiringError when the bridge is another cloud's.
        """
        bridge = self.pools.bridge
        labels = HOST.labels(bridge)
        if not _is_ours_or_unlabelled(self._cloud_id, labels):
            raise WiringError(f"cannot use bridge {bridge}: it belongs to another cloud")
        forwarded = (labels or {}).get("ip_forward") or _IP_FORWARD.read_text().strip()
        alias = label_text({"cloud": self._cloud_id, "ip_forward": forwarded})
        HOST.ip(
            [
                f"link add {bridge} address {mac_for(bridge)} mtu {self.mtu} type bridge"
                " mcast_snooping 0",
                f"link set {bridge} alias {alias}",
                f"addr replace {self.pools.public_host}/{self.pools.public.prefixlen} dev {bridge}",
                f"addr replace {self.pools.access_host}/{self.pools.access.prefixlen} dev {bridge}",
                f"link set {bridge} up",
            ]
        )
        HOST.sysctl({f"ipv6/conf/{bridge}/disable_ipv6": 1, "ipv4/ip_forward": 1})
        HOST.nft(self._rules())
        _open_other_firewalls(bridge)

    def keep_forwarding(self) -> None:
        """Let the host forward again after another program has stopped that."""
        if _IP_FORWARD.read_text().strip() == "0":
            HOST.sysctl({"ipv4/ip_forward": 1})

    def open_ports(self, *, signal: int, host: Collection[int] = ()) -> None:
        """Let servers reach these ports of the host, and no others.

        ``signal`` is the one that all reach, at its access address, where TCP's port 80 and UDP's
        port 53 are the same; ``host`` are those of TCP that servers behind a router reach, beside
        its name server, at any of its addresses.
        """
        lines = []
        for name, ports in (("signal", [signal]), ("host", host)):
            lines.append(f"flush set {self._table} {name}")
            lines += [f"add element {self._table} {name} {{ {port} }}" for port in ports]
        access, pools = self.pools.access_host, self.pools
        lines.append(f"flush chain {self._table} prerouting")
        lines += [
            f'add rule {self._table} prerouting iifname "{pools.bridge}" ip saddr {pools.access}'
            f" ip daddr {access} {protocol} dport {port} dnat to {access}:{signal}"
            for protocol, port in _WELL_KNOWN.items()
        ]
        HOST.nft("\n".join([*lines, ""]))

    def forget(self, address: str) -> None:
        """Remove an address from the host's neighbour table, since another device has it now."""
        HOST.ip_undo([f"neigh flush to {address} dev {self.pools.bridge}"])

    def announce(self, address: str, mac: str) -> None:
        """Announce on the bridge which device has an address now: one gratuitous ARP."""
        hardware, protocol = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
        arp += hardware + protocol + b"\0" * 6 + protocol
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as sender:
            sender.sendto(arp, (self.pools.bridge, _ETHERTYPE_ARP, 0, 1, _BROADCAST))
        self.forget(address)

    def remove(self) -> None:
        """Remove the bridge, and undo what was changed on the host; gone already is a success."""
        labels = HOST.labels(self.pools.bridge)
        if labels is None or not _is_of(self._cloud_id, labels):
            return
        _close_other_firewalls(self.pools.bridge)
        HOST.nft(f"add table {self._table}\ndelete table {self._table}\n")
        HOST.ip_undo([f"link del {self.pools.bridge}"])
        if labels.get("ip_forward") == "0":
            _stop_forwarding()

    def _rules(self) -> str:
        table, bridge, pools = self._table, self.pools.bridge, self.pools
        chains, sets = ("postrouting", "forward", "input"), ("signal", "host")
        return "\n".join(
            [
                f"add table {table}",
                *(f"add set {table} {name} {{ type inet_service; }}" for name in sets),
                f"add chain {table} prerouting {{ type nat hook prerouting priority dstnat; }}",
                f"add chain {table} postrouting {{ type nat hook postrouting priority srcnat; }}",
                f"add chain {table} forward {{ type filter hook forward priority filter; }}",
                f"add chain {table} input {{ type filter hook input priority filter; }}",
                *(f"flush chain {table} {chain}" for chain in chains),
                f'add rule {table} postrouting ip saddr {pools.public} oifname != "{bridge}"'
                " masquerade",
                f'add rule {table} forward iifname "{bridge}" ip saddr {pools.access} drop',
                f'add rule {table} forward oifname "{bridge}" ip daddr {pools.access}'
                " ct state != { established, related } drop",
                f'add rule {table} forward iifname != "{bridge}" oifname "{bridge}"'
                " ct state != { established, related } drop",
                f'add rule {table} input iifname != {{ "{bridge}", "lo" }}'
                f" ip daddr {{ {pools.public}, {pools.access} }} drop",
                f'add rule {table} input iifname "{bridge}"'
                " ct state { established, related } accept",
                f'add rule {table} input iifname "{bridge}" ip saddr {pools.access}'
                f" ip daddr {pools.access_host} meta l4proto {{ tcp, udp }}"
                " th dport @signal accept",
                f'add rule {table} input iifname "{bridge}" ip saddr {pools.access} drop',
                f'add rule {table} input iifname "{bridge}" meta l4proto {{ tcp, udp }}'
                " th dport 53 accept",
                f'add rule {table} input iifname "{bridge}" icmp type echo-request accept',
                f'add rule {table} input iifname "{bridge}" tcp dport @host accept',
                f'add rule {table} input iifname "{bridge}" drop',
                "",
            ]
        )


def _stop_forwarding() -> None:
    """Let the host forward no more, now or when the last other cloud is removed."""
    for bridge, labels in _owners().items():
        if labels:
            alias = label_text({**labels, "ip_forward": "0"})
            HOST.ip([f"link set {bridge} alias {alias}"])
            return
    HOST.sysctl({"ipv4/ip_forward": 0})


def _open_other_firewalls(bridge: str) -> None:
    """Accept what comes from and returns to the bridge where the host forwards nothing unasked.

    Docker and ufw do that with the policy of ``iptables``' FORWARD chain; an accept in our own
    table cannot overrule it.
    """
    if "-P FORWARD DROP" not in _iptables("-S", "FORWARD"):
        return
    for rule in _accepting(bridge):
        if _iptables("-C", "FORWARD", *rule, ok="there") != "there":
            _iptables("-I", "FORWARD", *rule)


def _close_other_firewalls(bridge: str) -> None:
    for rule in _accepting(bridge):
        while _iptables("-D", "FORWARD", *rule, ok="removed") == "removed":
            pass


def _accepting(bridge: str) -> tuple[tuple[str, ...], ...]:
    returning = ("-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED")
    return (
        ("-i", bridge, "-j", "ACCEPT"),
        ("-o", bridge, *returning, "-j", "ACCEPT"),
    )


def _iptables(*arguments: str, ok: str | None = None) -> str:
    """Return what iptables says, or ``ok``; nothing when it failed or is not there."""
    if shutil.which("iptables") is None:
        return ""
    try:
        done = subprocess.run(
            ["iptables", "-w", str(_IPTABLES_S), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * _IPTABLES_S,
        )
    except subprocess.TimeoutExpired:
        return ""
    if done.returncode != 0:
        return ""
    return ok if ok is not None else done.stdout
