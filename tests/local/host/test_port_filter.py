"""Security groups and port security, by what passes between servers."""

from __future__ import annotations

import ipaddress
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from infraci.local.host.fabric import Fabric, network_end
from infraci.local.host.port_filter import FilterRule, NetworkFilter, PortFilter, RateLimit
from infraci.local.host.segment import CLOUD_ADDRESS, namespace_of
from tests.local.wires import FabricTestbed, ServerNamespace, nic, run_in

pytestmark = pytest.mark.cloud

HTTP, SSH = 8000, 22
EGRESS = tuple(FilterRule(direction="egress", ethertype=family) for family in ("IPv4", "IPv6"))
ALL_IN = tuple(FilterRule(direction="ingress", ethertype=family) for family in ("IPv4", "IPv6"))
#: What Neutron's `default` has: all out, and in from itself.
DEFAULT = (*EGRESS, *(replace(rule, remote_group="default") for rule in ALL_IN))

_PING = """
import os, socket, struct, sys
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
address = sys.argv[1]
family, number, request, answer = (
    (socket.AF_INET6, 58, 128, 129) if ":" in address else (socket.AF_INET, 1, 8, 0))
wire = socket.socket(family, socket.SOCK_RAW, number)
wire.settimeout(float(sys.argv[2]))
head = struct.pack("!BBHHH", request, 0, 0, os.getpid() & 0xffff, 1) + b"x" * 8
wire.sendto(head[:2] + struct.pack("!H", sum16(head)) + head[4:], (address, 0))
while True:
    data = wire.recv(2000)
    if data[(data[0] & 15) * 4 if family == socket.AF_INET else 0] == answer:
        break
"""
_TALK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as talk:
    print("connected", flush=True)
    for number, line in enumerate(sys.stdin):
        talk.settimeout(float(line))
        try:
            talk.sendall(bytes([number]))
            while talk.recv(1) != bytes([number]):
                pass  # what was sent while nothing passed
            print("answered", flush=True)
        except TimeoutError:
            print("silent", flush=True)
"""
_ECHO = """
import socket
server = socket.create_server(("0.0.0.0", 7))
print("ready", flush=True)
while True:
    talk, _ = server.accept()
    while data := talk.recv(1):
        talk.sendall(data)
"""
_SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
for frame in sys.argv[1:]:
    wire.send(bytes.fromhex(frame))
"""
#: Tells which of some frames arrive, until the last one has.
_SNIFF = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
frames = [bytes.fromhex(frame) for frame in sys.argv[1:]]
print("ready", flush=True)
seen = []
while frames[-1] not in seen:
    seen.append(wire.recv(2000))
print(*[number for number, frame in enumerate(frames) if frame in seen], flush=True)
"""


@dataclass(slots=True)
class Network:
    """A network of guarded servers."""

    testbed: FabricTestbed
    id: str
    ports: dict[str, PortFilter] = field(default_factory=dict)
    hosts: dict[str, ServerNamespace] = field(default_factory=dict)
    rules: dict[str, tuple[FilterRule, ...]] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def server(self, name: str, number: int, *groups: str, **changes: object) -> ServerNamespace:
        """A server 10.0.0.NUMBER (and fd00::NUMBER) in these groups, which answers at HTTP."""
        server_id = str(uuid.uuid4())
        path = self.testbed.fabric.create_server_namespace(server_id)
        card = nic(self.id, f"10.0.0.{number}/24")
        self.testbed.fabric.plug(server_id, card)
        host = self.hosts[name] = ServerNamespace(id=server_id, path=path)
        run_in(host, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        run_in(host, "ip", "address", "add", f"fd00::{number}/64", "dev", "eth0", "nodad")
        port = PortFilter(
            device=network_end(server_id, "eth0"),
            mac=card.mac,
            addresses=(f"10.0.0.{number}", f"fd00::{number}"),
            groups=groups,
        )
        self.ports[name] = replace(port, **changes)  # type: ignore[arg-type]
        self.testbed.listen(name, host, HTTP)
        self.guard()
        return host

    def guard(self, **rules: tuple[FilterRule, ...]) -> None:
        """Let the groups have these rules, and guard the network."""
        self.rules |= rules
        members = {
            group: tuple(a for p in self.ports.values() if group in p.groups for a in p.addresses)
            for group in self.rules
        }
        self.testbed.fabric.guard(
            self.id,
            NetworkFilter(ports=tuple(self.ports.values()), rules=self.rules, members=members),
        )

    def change(self, name: str, **changes: object) -> None:
        """Change a port."""
        self.ports[name] = replace(self.ports[name], **changes)  # type: ignore[arg-type]
        self.guard()

    def meets(self, asking: str, address: str) -> bool:
        """Whether a server reaches another one's HTTP port, an outsider never hearing back."""
        return self.testbed.ask(self.hosts[asking], address, HTTP, within_s=0.7) is not None

    def pings(self, asking: str, address: str) -> bool:
        """Whether a server's ping is answered."""
        done = self._python(asking, _PING, address, "0.7")
        return done.wait(timeout=10) == 0

    def passes(self, sender: str, receiver: str, frame: bytes) -> bool:
        """Whether a frame that a server sends arrives before one that surely does."""
        frames = [one.hex() for one in (frame, self._arp(sender))]
        sniff = self.start(receiver, _SNIFF, *frames)
        assert self._python(sender, _SEND, *frames).wait(timeout=10) == 0
        assert sniff.stdout is not None
        return sniff.stdout.readline() == "0 1\n"

    def _arp(self, name: str) -> bytes:
        port = self.ports[name]
        return arp(port.mac, next(iter(port.addresses), "10.0.0.1"))

    def start(self, name: str, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program in a server, which says when it is ready."""
        process = self._python(name, program, *arguments)
        assert process.stdout is not None
        assert process.stdout.readline() in ("ready\n", "connected\n")
        return process

    def _python(self, name: str, program: str, *arguments: str) -> subprocess.Popen[str]:
        inside = ["nsenter", f"--net={self.hosts[name].path}", "--", sys.executable, "-ISc"]
        process = subprocess.Popen(
            [*inside, program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.processes.append(process)
        return process


def arp(mac: str, address: str) -> bytes:
    """The question of a server of that address, who 10.0.0.250 is."""
    sender = _mac(mac) + ipaddress.ip_address(address).packed
    question = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender
    return _ethernet(mac, 0x0806, question + bytes(6) + bytes([10, 0, 0, 250]))


def udp(mac: str, source: str, source_port: int, port: int) -> bytes:
    """A datagram to all of the network."""
    datagram = struct.pack("!HHHH", source_port, port, 12, 0) + b"data"
    addresses = ipaddress.ip_address(source).packed + b"\xff" * 4
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0)
    total = sum(struct.unpack("!10H", head + addresses))
    total = (total >> 16) + (total & 0xFFFF)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    return _ethernet(mac, 0x0800, head + addresses + datagram)


def icmpv6(mac: str, source: str, kind: int, target: str) -> bytes:
    """A message to all nodes of the network, with an address in it."""
    body = struct.pack("!BBHI", kind, 0, 0, 0) + ipaddress.ip_address(target).packed
    addresses = ipaddress.ip_address(source).packed + ipaddress.ip_address("ff02::1").packed
    total = sum(struct.unpack(f"!{len(addresses + body) // 2}H", addresses + body))
    total += len(body) + 58
    total = (total >> 16) + (total & 0xFFFF)
    body = body[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + body[4:]
    head = struct.pack("!IHBB", 0x60000000, len(body), 58, 255)
    return _ethernet(mac, 0x86DD, head + addresses + body, to="33:33:00:00:00:01")


def _ethernet(mac: str, kind: int, data: bytes, *, to: str = "ff:ff:ff:ff:ff:ff") -> bytes:
    return _mac(to) + _mac(mac) + struct.pack("!H", kind) + data


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@pytest.fixture(scope="module")
def testbed() -> Iterator[FabricTestbed]:
    """A fabric, and who listens for signals."""
    with FabricTestbed() as testbed:
        testbed.fabric.open_ports(signal=testbed.listen_on_host("signals"))
        yield testbed


@pytest.fixture
def network(testbed: FabricTestbed) -> Iterator[Network]:
    """A network without servers."""
    made = Network(testbed=testbed, id=testbed.network())
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def rule(direction: str = "ingress", ethertype: str = "IPv4", **values: object) -> FilterRule:
    return FilterRule(direction=direction, ethertype=ethertype, **values)  # type: ignore[arg-type]


TCP_HTTP = rule(protocol=6, port_min=HTTP, port_max=HTTP)


def test_default_lets_in_its_own_members_only(network: Network) -> None:
    network.rules = {"default": DEFAULT, "other": EGRESS}
    network.server("one", 1, "default")
    network.server("two", 2, "default")
    network.server("other", 3, "other")
    assert network.meets("one", "10.0.0.2")
    assert network.pings("two", "10.0.0.1")
    assert network.pings("two", "fd00::1")
    assert not network.meets("other", "10.0.0.1")
    assert not network.pings("other", "fd00::1")
    assert not network.meets("one", "10.0.0.3")  # which accepts nothing of anyone


def test_no_group_lets_nothing_pass(network: Network) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("open", 1, "open")
    network.server("none", 2)
    assert not network.meets("open", "10.0.0.2")
    assert not network.meets("none", "10.0.0.1")


@pytest.mark.parametrize(
    ("accepted", "passes"),
    [
        (rule(), True),
        (rule(protocol=6), True),
        (rule(protocol=0), True),
        (rule(protocol=17), False),
        (TCP_HTTP, True),
        (rule(protocol=6, port_min=1, port_max=HTTP), True),
        (rule(protocol=6, port_min=1, port_max=HTTP - 1), False),
        (rule(protocol=17, port_min=HTTP, port_max=HTTP), False),
        (rule(remote_prefix="10.0.0.0/30"), True),
        (rule(remote_prefix="10.0.0.1/32"), True),
        (rule(remote_prefix="0.0.0.0/0"), True),
        (rule(remote_prefix="10.0.0.4/30"), False),
        (rule(remote_group="clients"), True),
        (rule(remote_group="server"), False),
        (rule(ethertype="IPv6"), False),
    ],
)
def test_tcp_by_rule(network: Network, accepted: FilterRule, passes: bool) -> None:
    network.rules = {"server": (accepted,), "clients": EGRESS}
    network.server("client", 1, "clients")
    network.server("server", 2, "server")
    assert network.meets("client", "10.0.0.2") is passes


@pytest.mark.parametrize(
    ("accepted", "passes"),
    [
        (rule(protocol=1), True),
        (rule(protocol=1, port_min=8), True),
        (rule(protocol=1, port_min=8, port_max=0), True),
        (rule(protocol=1, port_min=8, port_max=1), False),
        (rule(protocol=1, port_min=13), False),
        (rule(protocol=6), False),
    ],
)
def test_ping_by_rule(network: Network, accepted: FilterRule, passes: bool) -> None:
    network.rules = {"server": (accepted,), "clients": EGRESS}
    network.server("client", 1, "clients")
    network.server("server", 2, "server")
    assert network.pings("client", "10.0.0.2") is passes


@pytest.mark.parametrize(
    ("accepted", "passes"),
    [
        (rule(ethertype="IPv6", protocol=58, port_min=128), True),
        (rule(ethertype="IPv6", protocol=58, port_min=129), False),
        (rule(ethertype="IPv6", remote_prefix="fd00::/127"), True),
        (rule(ethertype="IPv6", remote_prefix="fd00::2/127"), False),
        (rule(ethertype="IPv6", remote_group="clients"), True),
        (rule(), False),
    ],
)
def test_ping_over_ipv6_by_rule(network: Network, accepted: FilterRule, passes: bool) -> None:
    network.rules = {"server": (accepted,), "clients": EGRESS}
    network.server("client", 1, "clients")
    network.server("server", 2, "server")
    assert network.pings("client", "fd00::2") is passes


def test_egress_is_held_to_its_rules(network: Network) -> None:
    network.rules = {"server": ALL_IN, "client": (rule("egress", protocol=6),)}
    network.server("client", 1, "client")
    network.server("server", 2, "server")
    assert network.meets("client", "10.0.0.2")
    assert not network.pings("client", "10.0.0.2")
    network.guard(client=(rule("egress", remote_prefix="10.0.0.3/32"),))
    assert not network.meets("client", "10.0.0.2")


def test_stateless_groups_need_a_rule_for_the_answer(network: Network) -> None:
    network.rules = {"server": ALL_IN, "client": (rule("egress"),)}
    network.server("client", 1, "client")
    network.server("server", 2, "server", is_stateful=False)
    assert not network.meets("client", "10.0.0.2")
    network.guard(server=(*ALL_IN, rule("egress", protocol=6)))
    assert network.meets("client", "10.0.0.2")
    network.change("client", is_stateful=False)
    assert not network.meets("client", "10.0.0.2")


def test_changes_take_effect_at_once_also_on_what_is_connected(network: Network) -> None:
    echo = rule(protocol=6, port_min=7, port_max=7)
    network.rules = {"server": (echo,), "client": EGRESS, "none": ()}
    network.server("client", 1, "client")
    network.server("server", 2, "server")
    network.start("server", _ECHO)
    talk = network.start("client", _TALK, "10.0.0.2", "7")
    assert _say(talk) == "answered\n"
    network.guard(server=())
    assert _say(talk, wait_s=0.5) == "silent\n"
    network.guard(server=(echo,))
    assert _say(talk) == "answered\n"
    network.change("client", groups=("none",))
    assert _say(talk, wait_s=0.5) == "silent\n"
    network.change("client", groups=("none", "client"))
    assert _say(talk) == "answered\n"
    network.change("server", groups=("none",), port_security=False)
    assert _say(talk) == "answered\n"


def _say(talk: subprocess.Popen[str], wait_s: float = 10) -> str:
    """What comes of one more word of a conversation."""
    assert talk.stdin is not None
    assert talk.stdout is not None
    talk.stdin.write(f"{wait_s}\n")
    talk.stdin.flush()
    return talk.stdout.readline()


def test_server_sends_in_its_own_name_only(network: Network) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("one", 1, "open")
    network.server("two", 2, "open")
    mac, other = network.ports["one"].mac, "fa:16:3e:00:00:77"
    local = "fe80::f816:aff:fe00:1"  # by that MAC address
    frames = {
        "its own address": (arp(mac, "10.0.0.1"), True),
        "a probe for an address": (arp(mac, "0.0.0.0"), True),
        "another's address in ARP": (arp(mac, "10.0.0.3"), False),
        "another card": (arp(other, "10.0.0.1"), False),
        "a datagram": (udp(mac, "10.0.0.1", 5000, 5000), True),
        "another's address": (udp(mac, "10.0.0.3", 5000, 5000), False),
        "another's MAC address": (udp(other, "10.0.0.1", 5000, 5000), False),
        "DHCP, asking": (udp(mac, "0.0.0.0", 68, 67), True),
        "DHCP, answering": (udp(mac, "10.0.0.1", 67, 68), False),
        "a neighbour": (icmpv6(mac, "fd00::1", 136, "fd00::1"), True),
        "a neighbour by its card": (icmpv6(mac, local, 136, local), True),
        "another's neighbour": (icmpv6(mac, "fd00::1", 136, "fd00::3"), False),
        "another's IPv6 address": (icmpv6(mac, "fd00::3", 128, "fd00::1"), False),
        "a router": (icmpv6(mac, local, 134, "fd00::1"), False),
        "an unknown protocol": (_ethernet(mac, 0x88B5, bytes(50)), False),
    }
    passed = {what: network.passes("one", "two", frame) for what, (frame, _) in frames.items()}
    assert passed == {what: passes for what, (_, passes) in frames.items()}


def test_allowed_address_pairs(network: Network) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("one", 1, "open")
    network.server("two", 2, "open")
    mac, virtual = network.ports["one"].mac, "00:00:5e:00:01:01"
    pairs = ((mac, "10.0.0.0/28"), (mac, "10.0.0.8/29"), (virtual, "10.0.0.77"))
    network.change("one", allowed_pairs=(*pairs, (mac, "fd00::10/124")))
    assert network.passes("one", "two", arp(mac, "10.0.0.9"))
    assert network.passes("one", "two", arp(virtual, "10.0.0.77"))
    assert network.passes("one", "two", icmpv6(mac, "fd00::17", 136, "fd00::17"))
    assert not network.passes("one", "two", arp(virtual, "10.0.0.9"))
    assert not network.passes("one", "two", icmpv6(mac, "fd00::20", 136, "fd00::20"))
    # A virtual address that moves: it is answered to at once.
    run_in(network.hosts["one"], "ip", "address", "add", "10.0.0.9/24", "dev", "eth0")
    assert network.meets("two", "10.0.0.9")


def test_without_port_security_all_passes(network: Network) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("one", 1, port_security=False)
    network.server("two", 2, "open")
    assert network.passes("one", "two", arp("fa:16:3e:00:00:77", "10.0.0.3"))
    assert network.passes("one", "two", _ethernet(network.ports["one"].mac, 0x88B5, bytes(50)))
    assert network.meets("two", "10.0.0.1")


def test_port_without_addresses_is_held_to_its_mac_address(network: Network) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("one", 1, "open")
    network.server("two", 2, "open")
    network.change("one", addresses=())
    mac = network.ports["one"].mac
    assert network.passes("one", "two", udp(mac, "10.0.0.3", 5000, 5000))
    assert not network.passes("one", "two", udp("fa:16:3e:00:00:77", "10.0.0.1", 5000, 5000))


def test_card_that_is_not_known_yet_passes_nothing(
    testbed: FabricTestbed, network: Network
) -> None:
    network.rules = {"open": (*EGRESS, *ALL_IN)}
    network.server("known", 1, "open")
    network.server("unknown", 2, "open")
    del network.ports["unknown"]
    network.guard()
    assert not network.meets("unknown", "10.0.0.1")
    assert not network.meets("known", "10.0.0.2")


def test_login_from_the_host_needs_a_rule(testbed: FabricTestbed, network: Network) -> None:
    network.rules = {"server": EGRESS}
    network.server("server", 5, "server")
    testbed.fabric.add_access(network.id, testbed.access(15), "10.0.0.5")
    assert testbed.reaches_none(None, testbed.access(15), HTTP)
    network.guard(server=(*EGRESS, replace(TCP_HTTP, remote_group="server")))
    assert testbed.reaches_none(None, testbed.access(15), HTTP)
    network.guard(server=(*EGRESS, replace(TCP_HTTP, remote_prefix="198.51.100.0/24")))
    assert testbed.reaches_none(None, testbed.access(15), HTTP)
    network.guard(server=(*EGRESS, replace(TCP_HTTP, remote_prefix="0.0.0.0/0")))
    assert testbed.ask(None, testbed.access(15), HTTP) == f"server saw {CLOUD_ADDRESS}"
    network.guard(server=(*EGRESS, replace(TCP_HTTP, remote_prefix=f"{testbed.access(1)}/32")))
    assert testbed.ask(None, testbed.access(15), HTTP) == f"server saw {CLOUD_ADDRESS}"


def test_signals_need_egress(testbed: FabricTestbed, network: Network) -> None:
    network.rules = {"server": EGRESS}
    host = network.server("server", 5, "server")
    testbed.fabric.add_access(network.id, testbed.access(16), "10.0.0.5")
    testbed.fabric.lead_to_cloud(host.id, "eth0")
    assert (
        testbed.ask(host, CLOUD_ADDRESS, testbed.port["signals"])
        == f"signals saw {testbed.access(16)}"
    )
    network.guard(server=())
    assert testbed.reaches_none(host, CLOUD_ADDRESS, testbed.port["signals"])
    to_cloud = rule("egress", protocol=6, remote_prefix=f"{CLOUD_ADDRESS}/32")
    network.guard(server=(to_cloud,))
    assert (
        testbed.ask(host, CLOUD_ADDRESS, testbed.port["signals"])
        == f"signals saw {testbed.access(16)}"
    )


def test_namespace_is_no_way_round_the_rules(testbed: FabricTestbed, network: Network) -> None:
    network.rules = {"server": EGRESS, "client": EGRESS}
    client = network.server("client", 1, "client")
    network.server("server", 5, "server")
    testbed.fabric.add_access(network.id, testbed.access(17), "10.0.0.5")
    testbed.fabric.lead_to_cloud(client.id, "eth0")
    run_in(client, "ip", "route", "add", "10.0.0.5", "via", CLOUD_ADDRESS, "dev", "eth0", "onlink")
    assert not network.meets("client", "10.0.0.5")
    network.guard(server=(TCP_HTTP,))
    run_in(client, "ip", "route", "del", "10.0.0.5")
    assert network.meets("client", "10.0.0.5")


def test_floating_address_needs_a_rule(testbed: FabricTestbed, network: Network) -> None:
    network.rules = {"server": EGRESS}
    host = network.server("server", 5, "server")
    router = str(uuid.uuid4())
    testbed.fabric.create_router(router)
    legs = testbed.fabric.router(router)
    legs.add_leg(network.id, "fa:16:3e:00:00:fe", "10.0.0.254/24")
    legs.set_gateway(testbed.public(50), snat=True)
    legs.add_floating(testbed.public(51), "10.0.0.5")
    run_in(host, "ip", "route", "add", "default", "via", "10.0.0.254")
    assert testbed.reaches_none(None, testbed.public(51), HTTP)
    network.guard(server=(*EGRESS, replace(TCP_HTTP, remote_prefix=f"{testbed.public(1)}/32")))
    assert testbed.ask(None, testbed.public(51), HTTP) == f"server saw {testbed.public(1)}"


def test_network_of_an_earlier_release_is_guarded_from_now_on(testbed: FabricTestbed) -> None:
    earlier = Fabric(testbed.cloud, testbed.pools, mtu=1400, is_guarded=False)
    network = Network(testbed=testbed, id=str(uuid.uuid4()))
    earlier.create_network(network.id)
    network.rules = {"closed": EGRESS}
    network.server("one", 1, "closed")
    network.server("two", 2, "closed")
    assert not network.meets("one", "10.0.0.2")
    network.guard(closed=(*EGRESS, TCP_HTTP))
    assert network.meets("one", "10.0.0.2")


def test_nothing_is_filtered_where_the_kernel_cannot(testbed: FabricTestbed) -> None:
    unable = Fabric(testbed.cloud, testbed.pools, mtu=1400, is_guarded=False)
    network_id = str(uuid.uuid4())
    unable.create_network(network_id)
    assert unable.guard(network_id, NetworkFilter())
    hosts = []
    for number in (1, 2):
        server_id = str(uuid.uuid4())
        path = unable.create_server_namespace(server_id)
        unable.plug(server_id, nic(network_id, f"10.0.0.{number}/24"))
        hosts.append(ServerNamespace(id=server_id, path=path))
    testbed.listen("two", hosts[1])
    assert testbed.ask(hosts[0], "10.0.0.2") == "two saw 10.0.0.1"


def test_network_that_is_being_made_keeps_what_guards_it(testbed: FabricTestbed) -> None:
    open_card = PortFilter(device="s-open", mac="", port_security=False)

    def guard_as_soon_as_it_is_there(network_id: str) -> None:
        while not testbed.fabric.guard(network_id, NetworkFilter(ports=(open_card,))):
            pass

    for _ in range(10):
        network_id = str(uuid.uuid4())
        guarding = threading.Thread(target=guard_as_soon_as_it_is_there, args=[network_id])
        guarding.start()
        testbed.fabric.create_network(network_id)
        guarding.join()
        entries = namespace_of(network_id).nft_list("map", "bridge", "infraci", "entries")
        assert "s-open" in str(entries)


def test_network_that_is_gone_is_not_guarded(testbed: FabricTestbed) -> None:
    assert not testbed.fabric.guard(str(uuid.uuid4()), NetworkFilter())


_COUNT = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
server.bind(("0.0.0.0", 9000))
print("ready", flush=True)
count, marks = 0, set()
while True:
    data, control, _, sender = server.recvmsg(2000, 100)
    marks |= {value[0] >> 2 for _, _, value in control}
    if data == b"end":
        print(count, sorted(marks), flush=True)
        break
    count += 1
"""
_FLOOD = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect((sys.argv[1], 9000))
for _ in range(400):
    client.send(bytes(1000))
"""
_END = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end", (sys.argv[1], 9000))
"""


def test_what_exceeds_a_limit_is_dropped_and_packets_are_marked(network: Network) -> None:
    """400 kB at once, of which a port lets pass 128 kB and no more for hours."""
    limit = RateLimit(bytes_per_s=1, burst_bytes=128 << 10)
    network.guard(all=ALL_IN + EGRESS)
    for name, number in (("one", 1), ("two", 2)):
        network.server(name, number, "all")

    assert _counted(network) == (400, "[0]")
    network.change("one", send_limit=limit)
    few, _ = _counted(network)
    assert 0 < few < 130
    network.change("one", send_limit=None, dscp=10)
    assert _counted(network) == (400, "[0, 10]")
    network.change("one", dscp=None)
    network.change("two", receive_limit=limit)
    few, _ = _counted(network)
    assert 0 < few < 130


def _counted(network: Network) -> tuple[int, str]:
    """Of 400 packets of 1000 bytes from `one` to `two`, how many came, and all marks."""
    python = [sys.executable, "-ISc"]
    enter = ["nsenter", f"--net={network.hosts['two'].path}", "--"]
    counter = subprocess.Popen([*enter, *python, _COUNT], stdout=subprocess.PIPE, text=True)
    assert counter.stdout is not None
    assert counter.stdout.readline() == "ready\n"
    run_in(network.hosts["one"], *python, _FLOOD, "10.0.0.2")
    # From itself, so that no limit keeps the end away.
    run_in(network.hosts["two"], *python, _END, "10.0.0.2")
    count, _, marks = counter.stdout.readline().strip().partition(" ")
    counter.wait(timeout=10)
    counter.stdout.close()
    return int(count), marks
