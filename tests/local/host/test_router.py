"""Routers: the way out, floating IPs, and the way between networks."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from tests.local.wires import Bench, Host

pytestmark = pytest.mark.cloud

ON_HOST, NOT_OPEN = 18003, 18004


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        bench.listen("host", None, ON_HOST)
        bench.listen("host", None, NOT_OPEN)
        bench.fabric.open_ports(signal=18005, host=[ON_HOST])
        yield bench


class Site:
    """A network ``10.0.0.0/24`` with two servers, behind a router with a way out."""

    def __init__(self, bench: Bench, external: int) -> None:
        self.network = bench.network()
        self.router = str(uuid.uuid4())
        self.a = bench.host(self.network, "10.0.0.5/24", gateway="10.0.0.1")
        self.b = bench.host(self.network, "10.0.0.6/24", gateway="10.0.0.1")
        bench.listen("a", self.a)
        bench.listen("b", self.b)
        bench.fabric.create_router(self.router)
        bench.fabric.add_router_leg(self.router, self.network, "fa:16:3e:00:00:01", "10.0.0.1/24")
        bench.fabric.set_router_gateway(self.router, bench.public(external))


@pytest.fixture(scope="module")
def site(bench: Bench) -> Site:
    site = Site(bench, 20)
    bench.fabric.add_floating(site.router, bench.public(30), "10.0.0.5")
    return site


def test_server_is_seen_by_the_routers_address(bench: Bench, site: Site) -> None:
    assert bench.ask(site.b, bench.public(1), ON_HOST) == f"host saw {bench.public(20)}"


def test_server_is_seen_by_its_floating_ip(bench: Bench, site: Site) -> None:
    assert bench.ask(site.a, bench.public(1), ON_HOST) == f"host saw {bench.public(30)}"


def test_routed_server_reaches_nothing_else_of_the_host(bench: Bench, site: Site) -> None:
    """Whichever of its addresses it asks, and with a floating IP, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((socket.gethostbyname("deb.debian.org"), 80))
        (own, _) = probe.getsockname()
    for address in (bench.public(1), str(bench.pools.access_host), own):
        assert bench.ask(None, address, NOT_OPEN)
        assert bench.reaches_nobody(site.a, address, NOT_OPEN), address
        assert bench.reaches_nobody(site.b, address, NOT_OPEN), address


def test_routed_server_reaches_the_mirror(bench: Bench, site: Site) -> None:
    mirror = socket.gethostbyname("deb.debian.org")
    assert connects(site.b, mirror)


def test_floating_ip_leads_to_its_server(bench: Bench, site: Site) -> None:
    assert bench.ask(None, bench.public(30)) == f"a saw {bench.public(1)}"


def test_neighbour_reaches_a_floating_ip(bench: Bench, site: Site) -> None:
    assert bench.ask(site.b, bench.public(30)) == f"a saw {bench.public(20)}"


def test_server_reaches_itself_by_its_floating_ip(bench: Bench, site: Site) -> None:
    assert bench.ask(site.a, bench.public(30)) == f"a saw {bench.public(30)}"


def test_servers_behind_two_routers_meet_by_floating_ip_only(bench: Bench, site: Site) -> None:
    # The same addresses behind the other router, too.
    other = Site(bench, 21)
    assert bench.ask(other.b, bench.public(30)) == f"a saw {bench.public(21)}"
    bench.fabric.add_floating(other.router, bench.public(31), "10.0.0.5")
    assert bench.ask(site.b, bench.public(31)) == f"a saw {bench.public(20)}"


def test_routed_server_reaches_no_access_address(bench: Bench, site: Site) -> None:
    isolated = bench.network()
    bench.listen("isolated", bench.host(isolated, "10.0.0.5/24"))
    bench.fabric.add_access(isolated, bench.access(40), "10.0.0.5")
    assert bench.ask(None, bench.access(40)) == "isolated saw 169.254.169.254"
    assert bench.reaches_nobody(site.b, bench.access(40))


def test_floating_ip_moves_from_server_to_server(bench: Bench, site: Site) -> None:
    bench.fabric.add_floating(site.router, bench.public(32), "10.0.0.6")
    assert bench.ask(None, bench.public(32)) == f"b saw {bench.public(1)}"
    bench.fabric.add_floating(site.router, bench.public(33), "10.0.0.6")
    assert bench.ask(None, bench.public(33)) == f"b saw {bench.public(1)}"
    assert bench.reaches_nobody(None, bench.public(32))
    bench.fabric.remove_floating(site.router, bench.public(33))
    bench.fabric.remove_floating(site.router, bench.public(33))
    assert bench.reaches_nobody(None, bench.public(33))
    assert bench.ask(site.b, bench.public(1), ON_HOST) == f"host saw {bench.public(20)}"


def test_floating_ip_moves_from_router_to_router(bench: Bench, site: Site) -> None:
    other = Site(bench, 22)
    bench.fabric.add_floating(site.router, bench.public(34), "10.0.0.6")
    # Both the host and the other router have it in their neighbour tables then.
    assert bench.ask(None, bench.public(34)) == f"b saw {bench.public(1)}"
    assert bench.ask(other.b, bench.public(34)) == f"b saw {bench.public(22)}"
    bench.fabric.remove_floating(site.router, bench.public(34))
    third = Site(bench, 23)
    bench.fabric.add_floating(third.router, bench.public(34), "10.0.0.5")
    assert bench.ask(None, bench.public(34)) == f"a saw {bench.public(1)}"
    assert bench.ask(other.b, bench.public(34)) == f"a saw {bench.public(22)}"


def test_router_joins_two_networks(bench: Bench) -> None:
    site = Site(bench, 24)
    network = bench.network()
    far = bench.host(network, "10.1.0.5/24", gateway="10.1.0.1")
    assert bench.reaches_nobody(far, "10.0.0.5")
    bench.fabric.add_router_leg(site.router, network, "fa:16:3e:00:01:01", "10.1.0.1/24")
    bench.fabric.add_router_leg(site.router, network, "fa:16:3e:00:01:01", "10.1.0.1/24")
    assert bench.ask(far, "10.0.0.5") == "a saw 10.1.0.5"
    bench.fabric.remove_router_leg(site.router, network, "10.1.0.1/24")
    bench.fabric.remove_router_leg(site.router, network, "10.1.0.1/24")
    assert bench.reaches_nobody(far, "10.0.0.5")


def test_router_without_gateway_leads_nowhere(bench: Bench) -> None:
    site = Site(bench, 25)
    bench.fabric.add_floating(site.router, bench.public(35), "10.0.0.5")
    bench.fabric.set_router_gateway(site.router, bench.public(26), snat=False)
    assert bench.reaches_nobody(site.b, bench.public(1), ON_HOST)
    assert bench.ask(None, bench.public(35)) == f"a saw {bench.public(1)}"
    bench.fabric.clear_router_gateway(site.router)
    bench.fabric.clear_router_gateway(site.router)
    assert bench.reaches_nobody(site.a, bench.public(1), ON_HOST)
    assert bench.reaches_nobody(None, bench.public(35))


def connects(host: Host, address: str) -> bool:
    """Whether a web server answers a request."""
    request = (
        "import socket, sys\n"
        "with socket.create_connection((sys.argv[1], 80), timeout=10) as web:\n"
        "    web.sendall(b'HEAD / HTTP/1.0\\r\\nHost: deb.debian.org\\r\\n\\r\\n')\n"
        "    sys.exit(not web.recv(100).startswith(b'HTTP/'))\n"
    )
    command = ["nsenter", f"--net={host.path}", "--", sys.executable, "-ISc", request, address]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
