"""Routers: the way out, floating IPs, and the way between networks."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from tests.local.wires import FabricTestbed, ServerNamespace, nic, run_in

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def testbed() -> Iterator[FabricTestbed]:
    with FabricTestbed() as testbed:
        testbed.listen_on_host("closed")
        signal, opened = testbed.listen_on_host("signals"), testbed.listen_on_host("open")
        testbed.fabric.open_ports(signal=signal, host=[opened])
        yield testbed


class RoutedNetwork:
    """A network ``10.0.0.0/24`` with two servers, behind a router with a way out."""

    def __init__(self, testbed: FabricTestbed, external: int) -> None:
        self.network = testbed.network()
        self.router = str(uuid.uuid4())
        self.a = testbed.host(self.network, "10.0.0.5/24", gateway="10.0.0.1")
        self.b = testbed.host(self.network, "10.0.0.6/24", gateway="10.0.0.1")
        testbed.listen("a", self.a)
        testbed.listen("b", self.b)
        testbed.fabric.create_router(self.router)
        testbed.fabric.router(self.router).add_leg(self.network, "fa:16:3e:00:00:01", "10.0.0.1/24")
        testbed.fabric.router(self.router).set_gateway(testbed.public(external), snat=True)


@pytest.fixture(scope="module")
def routed(testbed: FabricTestbed) -> RoutedNetwork:
    routed = RoutedNetwork(testbed, 20)
    testbed.fabric.router(routed.router).add_floating(testbed.public(30), "10.0.0.5")
    return routed


def test_server_is_seen_by_the_routers_address(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    assert (
        testbed.ask(routed.b, testbed.public(1), testbed.port["open"])
        == f"open saw {testbed.public(20)}"
    )


def test_server_is_seen_by_its_floating_ip(testbed: FabricTestbed, routed: RoutedNetwork) -> None:
    assert (
        testbed.ask(routed.a, testbed.public(1), testbed.port["open"])
        == f"open saw {testbed.public(30)}"
    )


def test_routed_server_reaches_nothing_else_of_the_host(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    """Whichever of its addresses it asks, and with a floating IP, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((socket.gethostbyname("deb.debian.org"), 80))
        (own, _) = probe.getsockname()
    for address in (testbed.public(1), str(testbed.pools.access_host), own):
        assert testbed.ask(None, address, testbed.port["closed"])
        assert testbed.reaches_none(routed.a, address, testbed.port["closed"]), address
        assert testbed.reaches_none(routed.b, address, testbed.port["closed"]), address


def test_routed_server_reaches_the_mirror(testbed: FabricTestbed, routed: RoutedNetwork) -> None:
    mirror = socket.gethostbyname("deb.debian.org")
    assert connects(routed.b, mirror)


def test_floating_ip_leads_to_its_server(testbed: FabricTestbed, routed: RoutedNetwork) -> None:
    assert testbed.ask(None, testbed.public(30)) == f"a saw {testbed.public(1)}"


def test_neighbour_reaches_a_floating_ip(testbed: FabricTestbed, routed: RoutedNetwork) -> None:
    assert testbed.ask(routed.b, testbed.public(30)) == f"a saw {testbed.public(20)}"


def test_server_reaches_itself_by_its_floating_ip(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    assert testbed.ask(routed.a, testbed.public(30)) == f"a saw {testbed.public(30)}"


def test_servers_behind_two_routers_meet_by_floating_ip_only(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    # The same addresses behind the other router, too.
    other = RoutedNetwork(testbed, 21)
    assert testbed.ask(other.b, testbed.public(30)) == f"a saw {testbed.public(21)}"
    testbed.fabric.router(other.router).add_floating(testbed.public(31), "10.0.0.5")
    assert testbed.ask(routed.b, testbed.public(31)) == f"a saw {testbed.public(20)}"


def test_routed_server_reaches_no_access_address(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    isolated = testbed.network()
    testbed.listen("isolated", testbed.host(isolated, "10.0.0.5/24"))
    testbed.fabric.add_access(isolated, testbed.access(40), "10.0.0.5")
    assert testbed.ask(None, testbed.access(40)) == "isolated saw 169.254.169.254"
    assert testbed.reaches_none(routed.b, testbed.access(40))


def test_floating_ip_moves_from_server_to_server(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    testbed.fabric.router(routed.router).add_floating(testbed.public(32), "10.0.0.6")
    assert testbed.ask(None, testbed.public(32)) == f"b saw {testbed.public(1)}"
    testbed.fabric.router(routed.router).add_floating(testbed.public(33), "10.0.0.6")
    assert testbed.ask(None, testbed.public(33)) == f"b saw {testbed.public(1)}"
    assert testbed.reaches_none(None, testbed.public(32))
    testbed.fabric.router(routed.router).remove_floating(testbed.public(33))
    testbed.fabric.router(routed.router).remove_floating(testbed.public(33))
    assert testbed.reaches_none(None, testbed.public(33))
    assert (
        testbed.ask(routed.b, testbed.public(1), testbed.port["open"])
        == f"open saw {testbed.public(20)}"
    )


def test_floating_ip_moves_from_router_to_router(
    testbed: FabricTestbed, routed: RoutedNetwork
) -> None:
    other = RoutedNetwork(testbed, 22)
    testbed.fabric.router(routed.router).add_floating(testbed.public(34), "10.0.0.6")
    # Both the host and the other router have it in their neighbour tables then.
    assert testbed.ask(None, testbed.public(34)) == f"b saw {testbed.public(1)}"
    assert testbed.ask(other.b, testbed.public(34)) == f"b saw {testbed.public(22)}"
    testbed.fabric.router(routed.router).remove_floating(testbed.public(34))
    third = RoutedNetwork(testbed, 23)
    testbed.fabric.router(third.router).add_floating(testbed.public(34), "10.0.0.5")
    assert testbed.ask(None, testbed.public(34)) == f"a saw {testbed.public(1)}"
    assert testbed.ask(other.b, testbed.public(34)) == f"a saw {testbed.public(22)}"


def test_router_joins_two_networks(testbed: FabricTestbed) -> None:
    routed = RoutedNetwork(testbed, 24)
    network = testbed.network()
    far = testbed.host(network, "10.1.0.5/24", gateway="10.1.0.1")
    assert testbed.reaches_none(far, "10.0.0.5")
    testbed.fabric.router(routed.router).add_leg(network, "fa:16:3e:00:01:01", "10.1.0.1/24")
    testbed.fabric.router(routed.router).add_leg(network, "fa:16:3e:00:01:01", "10.1.0.1/24")
    assert testbed.ask(far, "10.0.0.5") == "a saw 10.1.0.5"
    testbed.fabric.router(routed.router).remove_leg(network, "10.1.0.1/24")
    testbed.fabric.router(routed.router).remove_leg(network, "10.1.0.1/24")
    assert testbed.reaches_none(far, "10.0.0.5")


def test_router_without_gateway_leads_nowhere(testbed: FabricTestbed) -> None:
    routed = RoutedNetwork(testbed, 25)
    testbed.fabric.router(routed.router).add_floating(testbed.public(35), "10.0.0.5")
    testbed.fabric.router(routed.router).set_gateway(testbed.public(26), snat=False)
    assert testbed.reaches_none(routed.b, testbed.public(1), testbed.port["open"])
    assert testbed.ask(None, testbed.public(35)) == f"a saw {testbed.public(1)}"
    testbed.fabric.router(routed.router).clear_gateway()
    testbed.fabric.router(routed.router).clear_gateway()
    assert testbed.reaches_none(routed.a, testbed.public(1), testbed.port["open"])
    assert testbed.reaches_none(None, testbed.public(35))


def connects(host: ServerNamespace, address: str) -> bool:
    """Whether a web server answers a request."""
    request = (
        "import socket, sys\n"
        "with socket.create_connection((sys.argv[1], 80), timeout=10) as web:\n"
        "    web.sendall(b'HEAD / HTTP/1.0\\r\\nHost: deb.debian.org\\r\\n\\r\\n')\n"
        "    sys.exit(not web.recv(100).startswith(b'HTTP/'))\n"
    )
    command = ["nsenter", f"--net={host.path}", "--", sys.executable, "-ISc", request, address]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_static_routes_lead_by_a_server(testbed: FabricTestbed) -> None:
    """Between two networks beside a router, by a server in one of them."""
    front, back = testbed.network(), testbed.network()
    asker = testbed.host(front, "10.0.0.5/24", gateway="10.0.0.1")
    between = testbed.host(front, "10.0.0.9/24", gateway="10.0.0.1")
    testbed.fabric.plug(between.id, nic(back, "10.9.0.1/24", device="eth1"))
    testbed.let_pass(back, between.id, "eth1")
    run_in(between, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    testbed.listen("behind", testbed.host(back, "10.9.0.5/24", gateway="10.9.0.1"))
    router_id = str(uuid.uuid4())
    testbed.fabric.create_router(router_id)
    router = testbed.fabric.router(router_id)
    router.add_leg(front, "fa:16:3e:00:00:01", "10.0.0.1/24")
    assert testbed.reaches_none(asker, "10.9.0.5")
    router.set_routes({"10.9.0.0/24": ["10.0.0.9"], "10.8.0.0/24": ["10.0.0.8", "10.0.0.9"]})
    assert testbed.ask(asker, "10.9.0.5") == "behind saw 10.0.0.5"
    router.set_routes({"10.9.0.5/32": ["10.0.0.9"]})
    assert testbed.ask(asker, "10.9.0.5") == "behind saw 10.0.0.5"
    router.set_routes({})
    router.set_routes({})
    assert testbed.reaches_none(asker, "10.9.0.5")


def test_a_static_default_route_gives_way_to_the_gateway_again(testbed: FabricTestbed) -> None:
    routed = RoutedNetwork(testbed, 22)
    router = testbed.fabric.router(routed.router)
    router.set_routes({"0.0.0.0/0": ["10.0.0.6"]})
    assert router.namespace.show("-4", "route", "show", "default")[0]["gateway"] == "10.0.0.6"
    router.set_routes({})
    (route,) = router.namespace.show("-4", "route", "show", "default")
    assert route["gateway"] == str(testbed.pools.public_host)


def test_ipv6_between_networks_of_a_router(testbed: FabricTestbed) -> None:
    one, other = testbed.network(), testbed.network()
    asker = testbed.host(one, "10.0.0.5/24", "fd00:0:0:1::5/64", gateway6="fd00:0:0:1::1")
    server = testbed.host(other, "fd00:0:0:2::5/64", gateway6="fd00:0:0:2::1")
    testbed.listen("server", server, at="::")
    assert testbed.reaches_none(asker, "fd00:0:0:2::5")
    router_id = str(uuid.uuid4())
    testbed.fabric.create_router(router_id)
    router = testbed.fabric.router(router_id)
    router.add_leg(one, "fa:16:3e:00:00:01", "fd00:0:0:1::1/64", "fd00:0:0:3::1/64")
    router.add_leg(other, "fa:16:3e:00:00:02", "fd00:0:0:2::1/64", mtu=1300)
    assert testbed.ask(asker, "fd00:0:0:2::5") == "server saw fd00:0:0:1::5"
    router.set_routes({"fd00:9::/48": ["fd00:0:0:2::5"], "::/0": ["fd00:0:0:2::5"]})
    assert len(router.namespace.show("-6", "route", "show", "proto", "static")) == 2
    router.set_routes({})
    assert router.namespace.show("-6", "route", "show", "proto", "static") == []
    router.remove_leg(other, "fd00:0:0:2::1/64")
    assert testbed.reaches_none(asker, "fd00:0:0:2::5")
