"""What may pass a network's ports: Neutron's security groups, port security and QoS, as nftables.

Two tables in the network's namespace do it, outside of the servers. The *bridge* table knows a
port by the name of its device: it drops frames that a server sends in the name of another, and
marks each packet with the number of the port it came from, then of the port it leaves by. The
*inet* table reads these marks, and tracks connections, which this kernel's bridge family cannot;
bridged packets reach it by ``bridge-nf-call-iptables``. A rule accepts a packet in the direction
in which its connection was begun, each time; an answer is accepted unless that is refused now.

Source: https://docs.openstack.org/neutron/latest/contributor/internals/openvswitch_firewall.html
(and neutron/agent/linux/iptables_firewall.py for what a server may send without an address).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TABLES = ("bridge infraci", "inet infraci")
#: What a network's namespace needs, so that the inet table sees bridged packets.
SYSCTLS = {"bridge/bridge-nf-call-iptables": 1, "bridge/bridge-nf-call-ip6tables": 1}

#: Marks: the number of the port that a packet came from; this and the number of the one it leaves
#: by; and the number of all ports without port security.
_OUT = 0x10000
_OPEN = 0xFFFF
#: The mark of a connection that was accepted, and is refused since.
_REFUSED = 0x1
_PORTED = frozenset({6, 17, 33, 132, 136})  # tcp, udp, dccp, sctp, udplite
_ICMP = {"IPv4": (1, "icmp"), "IPv6": (58, "icmpv6")}
_FAMILIES = {"IPv4": ("ip", 4), "IPv6": ("ip6", 6)}
#: What Neutron accepts beside the rules: of IPv6 what finds neighbours and routers, and DHCP.
_ALWAYS_IN = (
    "icmpv6 type { 130, 134, 135, 136 } accept",
    "udp sport 67 udp dport 68 accept",
    "udp sport 547 udp dport 546 accept",
)
_ALWAYS_OUT = (
    "icmpv6 type { 130, 131, 132, 133, 135, 136, 143 } accept",
    "udp sport 68 udp dport 67 accept",
    "udp sport 546 udp dport 547 accept",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRule:
    """A rule of a security group; what is None matches all."""

    #: ``ingress`` or ``egress``.
    direction: str
    #: ``IPv4`` or ``IPv6``.
    ethertype: str
    protocol: int | None = None
    #: The first and the last port; of ICMP the type and the code.
    port_min: int | None = None
    port_max: int | None = None
    #: Of the other side: a CIDR, or the ID of a group.
    remote_prefix: str | None = None
    remote_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How much may pass: what exceeds it is dropped."""

    bytes_per_s: int
    #: What may pass at once, after a pause.
    burst_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFilter:
    """A server's port, and what guards it."""

    #: The network's end of the card.
    device: str
    mac: str
    addresses: tuple[str, ...] = ()
    #: MAC address and CIDR, which the server may send as well.
    allowed_pairs: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = ()
    is_stateful: bool = True
    #: False for one that nothing guards.
    port_security: bool = True
    #: Of what its server sends, and of what is sent to it.
    send_limit: RateLimit | None = None
    receive_limit: RateLimit | None = None
    #: What its packets are marked with for routers (differentiated services).
    dscp: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFilter:
    """All that guards the servers of a network."""

    ports: tuple[PortFilter, ...] = ()
    #: The rules of each group that a port has.
    rules: Mapping[str, tuple[FilterRule, ...]] = field(default_factory=dict)
    #: The addresses (CIDRs) of each group that a rule names as its remote.
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


#: A network that no server is known to be in.
NOTHING = NetworkFilter()


def ruleset(network: NetworkFilter) -> str:
    """Return the input of ``nft`` that replaces all tables of a network in one transaction."""
    numbered = {1 + n: port for n, port in enumerate(network.ports) if port.port_security}
    unguarded = [port.device for port in network.ports if not port.port_security]
    lines = [line for table in TABLES for line in (f"add table {table}", f"delete table {table}")]
    quality = _quality(network.ports)
    lines += [f"table {TABLES[0]} {{", *_bridge_table(numbered, unguarded, *quality), "}"]
    lines += [f"table {TABLES[1]} {{", *_inet_table(numbered, network), "}", ""]
    return "\n".join(lines)


def _quality(ports: Iterable[PortFilter]) -> tuple[list[str], list[str]]:
    """What limits and marks what servers send, and what limits what is sent to them."""
    sent, delivered = [], []
    for port in ports:
        if port.send_limit:
            sent.append(f'iifname "{port.device}" {_excess(port.send_limit)} drop')
        if port.dscp is not None:
            sent += [f'iifname "{port.device}" {ip} dscp set {port.dscp}' for ip in ("ip", "ip6")]
        if port.receive_limit:
            delivered.append(f'oifname "{port.device}" {_excess(port.receive_limit)} drop')
    return sent, delivered


def _excess(limit: RateLimit) -> str:
    return f"limit rate over {limit.bytes_per_s} bytes/second burst {limit.burst_bytes} bytes"


def _bridge_table(
    numbered: Mapping[int, PortFilter],
    unguarded: Iterable[str],
    limits_sent: Iterable[str],
    limits_delivered: Iterable[str],
) -> Iterator[str]:
    """What a port may send and what is sent to it, by its device and its MAC addresses.

    A port that is not known yet sends and receives nothing.
    """
    entries = [f'"{port.device}" : {n}' for n, port in numbered.items()]
    entries += [f'"{device}" : {_OPEN}' for device in unguarded]
    exits = [f'"{port.device}" : {_OUT + n}' for n, port in numbered.items()]
    exits += [f'"{device}" : {_OUT + _OPEN}' for device in unguarded]
    pairs = [(n, *pair) for n, port in numbered.items() for pair in _pairs(port)]
    macs = dict.fromkeys(f"{side + n} . {mac}" for n, mac, _ in pairs for side in (0, _OUT))
    four = dict.fromkeys(f"{n} . {m} . {net}" for n, m, net in pairs if net.version == 4)
    six = dict.fromkeys(f"{n} . {m} . {net}" for n, m, net in pairs if net.version == 6)
    yield from _elements("map entries", "ifname : mark", entries)
    yield from _elements("map exits", "ifname : mark", exits)
    yield from _elements("set macs", "mark . ether_addr", macs)
    yield from _elements("set pairs4", "mark . ether_addr . ipv4_addr; flags interval", four)
    yield from _elements("set pairs6", "mark . ether_addr . ipv6_addr; flags interval", six)
    begin = "filter hook prerouting priority -300"
    yield from _chain("prerouting", [*limits_sent, *_SENT], hook=begin)
    yield from _chain("from_arp", _SENT_ARP)
    yield from _chain("from_ip", _SENT_IPV4)
    yield from _chain("from_ip6", _SENT_IPV6)
    yield from _chain("from_neighbour", [*_adverts(pairs), "drop"])
    end = "filter hook forward priority -200"
    yield from _chain("forward", [*limits_delivered, *_DELIVERED], hook=end)


_SENT = (
    'iifname != "s*" accept',
    "meta mark set 0",
    "meta mark set iifname map @entries",
    "meta mark 0 drop",
    f"meta mark {_OPEN} accept",
    "meta mark . ether saddr != @macs drop",
    "ether type vmap { arp : goto from_arp, ip : goto from_ip, ip6 : goto from_ip6 }",
    "drop",
)
_SENT_ARP = (
    "arp operation request arp saddr ip 0.0.0.0 accept",
    "meta mark . arp saddr ether . arp saddr ip @pairs4 accept",
    "drop",
)
_SENT_IPV4 = (
    "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept",
    "udp sport 67 udp dport 68 drop",
    "meta mark . ether saddr . ip saddr @pairs4 accept",
    "drop",
)
_SENT_IPV6 = (
    "ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type { 131, 135, 143 } accept",
    "icmpv6 type nd-router-advert drop",
    "udp sport 547 udp dport 546 drop",
    "meta mark . ether saddr . ip6 saddr != @pairs6 drop",
    "icmpv6 type nd-neighbor-advert goto from_neighbour",
)
_DELIVERED = (
    f"meta mark set {_OUT + _OPEN}",
    'oifname != "s*" accept',
    "meta mark set 0",
    "meta mark set oifname map @exits",
    "meta mark 0 drop",
    f"meta mark {_OUT + _OPEN} accept",
    "ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 accept",
    "meta mark . ether daddr != @macs drop",
)


def _adverts(
    pairs: Iterable[tuple[int, str, ipaddress.IPv4Network | ipaddress.IPv6Network]],
) -> Iterator[str]:
    """The neighbours whose address a port may say it has: nft has no name for that field."""
    for number, mac, network in pairs:
        if network.version == 6:
            bits = network.prefixlen
            target = f"@th,64,{bits} {int(network.network_address) >> (128 - bits):#x}"
            about = f"ether saddr {mac} {target if bits else ''}".rstrip()
            yield f"meta mark {number} {about} accept"


def _pairs(
    port: PortFilter,
) -> Iterator[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    """The MAC addresses and networks a port may send in the name of, none within another."""
    by_mac: dict[str, list[str]] = {port.mac: list(port.addresses)}
    if not port.addresses:  # Neutron holds one without any address to its MAC address only
        by_mac[port.mac] = ["0.0.0.0/0", "::/0"]
    for mac, cidr in port.allowed_pairs:
        by_mac.setdefault(mac, []).append(cidr)
    for mac, cidrs in by_mac.items():
        for network in _networks([*cidrs, _link_local(mac)]):
            yield mac, network


def _networks(
    cidrs: Iterable[str],
) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Networks as few as can be: nft refuses those that overlap."""
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    four = (network for network in networks if isinstance(network, ipaddress.IPv4Network))
    six = (network for network in networks if isinstance(network, ipaddress.IPv6Network))
    yield from ipaddress.collapse_addresses(four)
    yield from ipaddress.collapse_addresses(six)


def _link_local(mac: str) -> str:
    """The link-local address that a card has by its MAC address (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))


def _inet_table(numbered: Mapping[int, PortFilter], network: NetworkFilter) -> Iterator[str]:
    """What the rules accept, by the marks of the bridge table."""
    groups = {id_: n for n, id_ in enumerate(network.rules)}
    remotes = {id_: n for n, id_ in enumerate(network.members)}
    for id_, n in remotes.items():
        networks = tuple(_networks(network.members[id_]))
        for version in (4, 6):
            same = [str(one) for one in networks if one.version == version]
            kind = f"ipv{version}_addr; flags interval"
            yield from _elements(f"set members{n}_{version}", kind, same)
    yield from _chain("tracked", _TRACKED)
    yield from _chain("refuse", (f"ct state established ct mark set {_REFUSED}", "drop"))
    for id_, n in groups.items():
        for direction in ("ingress", "egress"):
            rules = [rule for rule in network.rules[id_] if rule.direction == direction]
            accepted = dict.fromkeys(f"{_match(rule, remotes)} accept" for rule in rules)
            yield from _chain(f"{direction}_g{n}", accepted)
    for number, port in numbered.items():
        for direction, always in (("ingress", _ALWAYS_IN), ("egress", _ALWAYS_OUT)):
            jumps = [f"jump {direction}_g{groups[id_]}" for id_ in port.groups]
            stateful = ["jump tracked", *jumps, "goto refuse"]
            lines = [*always, *(stateful if port.is_stateful else [*jumps, "drop"])]
            yield from _chain(f"{direction}_p{number}", lines)
    sent = _verdicts(f"{n} : goto egress_p{n}" for n in numbered)
    delivered = _verdicts(f"{_OUT + n} : goto ingress_p{n}" for n in numbered)
    logins = _verdicts(
        f"{address} : goto ingress_p{n}"
        for n, port in numbered.items()
        for address in port.addresses
        if "." in address
    )
    yield from _chain(
        "prerouting",
        ['iifname "br0" meta mark' + sent] if sent else [],
        hook="filter hook prerouting priority -150",
    )
    yield from _chain(
        "forward",
        [
            *(['iifname "up0" oifname "br0" ip daddr' + logins] if logins else []),
            'iifname != "br0" accept',
            'oifname != "br0" accept',
            *(["meta mark" + delivered] if delivered else []),
            f"meta mark {_OUT + _OPEN} accept",
            "drop",  # it was sent to the namespace, which is no router
        ],
        hook="filter hook forward priority -1",
    )
    mended = f"ct direction original ct mark {_REFUSED} ct mark set 0"
    yield from _chain("postrouting", [mended], hook="filter hook postrouting priority 0")


_TRACKED = (
    "ct state invalid drop",
    "ct state related accept",
    f"ct direction reply ct mark {_REFUSED} drop",
    "ct direction reply ct state established accept",
)


def _match(rule: FilterRule, remotes: Mapping[str, int]) -> str:
    family, version = _FAMILIES[rule.ethertype]
    words = [f"meta nfproto ipv{version}"]
    side = "saddr" if rule.direction == "ingress" else "daddr"
    if rule.remote_group is not None:
        words.append(f"{family} {side} @members{remotes[rule.remote_group]}_{version}")
    elif rule.remote_prefix is not None:
        prefix = ipaddress.ip_network(rule.remote_prefix, strict=False)
        if prefix.prefixlen:
            words.append(f"{family} {side} {prefix}")
    words += _transport(rule)
    return " ".join(words)


def _transport(rule: FilterRule) -> Iterator[str]:
    icmp, icmp_name = _ICMP[rule.ethertype]
    if not rule.protocol:  # iptables, and so Neutron, takes number 0 for all
        return
    if rule.protocol == icmp and rule.port_min is not None:
        yield f"{icmp_name} type {rule.port_min}"
        if rule.port_max is not None:
            yield f"{icmp_name} code {rule.port_max}"
        return
    yield f"meta l4proto {rule.protocol}"
    if rule.protocol in _PORTED and rule.port_min is not None:
        yield f"th dport {rule.port_min}-{rule.port_max}"


def _elements(what: str, kind: str, elements: Iterable[str]) -> Iterator[str]:
    """A set or a map of this type with these elements."""
    yield f"{what} {{ type {kind};"
    if listed := ", ".join(elements):
        yield f"elements = {{ {listed} }}"
    yield "}"


def _verdicts(elements: Iterable[str]) -> str:
    listed = ", ".join(elements)
    return f" vmap {{ {listed} }}" if listed else ""


def _chain(name: str, lines: Iterable[str], *, hook: str = "") -> Sequence[str]:
    return (f"chain {name} {{", *([f"type {hook};"] if hook else []), *lines, "}")
