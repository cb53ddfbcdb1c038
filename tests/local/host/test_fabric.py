"""The fabric as a whole: cards, labels, doing it twice, and leaving nothing."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from infraci.local.host.fabric import Fabric, Nic, find_all, server_namespace
from infraci.local.host.netns import WiringError
from tests.local.wires import FabricTestbed, nic, run_in

pytestmark = pytest.mark.cloud


@pytest.fixture
def testbed() -> Iterator[FabricTestbed]:
    with FabricTestbed() as testbed:
        yield testbed


def test_card_has_its_address_routes_and_mtu(testbed: FabricTestbed) -> None:
    network, server = testbed.network(), str(uuid.uuid4())
    testbed.fabric.create_server_namespace(server)
    card = Nic(
        device="eth0",
        network_id=network,
        mac="fa:16:3e:12:34:56",
        addresses=("10.0.0.5/24", "10.0.1.5/24"),
        gateway="10.0.0.1",
        routes=(("192.168.9.0/24", "10.0.0.9"),),
    )
    testbed.fabric.plug(server, card)
    testbed.fabric.plug(server, card)
    inside = server_namespace(server)
    (link,) = _ip(inside, "addr", "show", "dev", "eth0")
    assert (link["address"], link["mtu"], link["operstate"]) == ("fa:16:3e:12:34:56", 1400, "UP")
    assert [a["local"] for a in link["addr_info"]] == ["10.0.0.5", "10.0.1.5"]
    routes = {route["dst"]: route.get("gateway") for route in _ip(inside, "route", "show")}
    assert routes["default"] == "10.0.0.1"
    assert routes["192.168.9.0/24"] == "10.0.0.9"
    assert "169.254.169.254" in routes


def test_second_card_does_not_take_the_default_route(testbed: FabricTestbed) -> None:
    host = testbed.host(testbed.network(), "10.0.0.5/24", gateway="10.0.0.1")
    card = nic(testbed.network(), "10.9.0.5/24", device="eth1", gateway="10.9.0.1")
    testbed.fabric.plug(host.id, card)
    assert "dev eth0" in run_in(host, "ip", "route", "get", "203.0.113.1")
    testbed.fabric.unplug(host.id, "eth1")
    testbed.fabric.unplug(host.id, "eth1")
    assert "eth1" not in run_in(host, "ip", "link")


def test_gateway_outside_of_the_subnet_is_reached_on_the_link(testbed: FabricTestbed) -> None:
    host = testbed.host(testbed.network(), "10.0.0.5/32", gateway="10.0.0.1")
    assert "default via 10.0.0.1 dev eth0 onlink" in run_in(host, "ip", "route")


def test_server_forwards_nothing_and_has_the_ipv6_loopback(testbed: FabricTestbed) -> None:
    host = testbed.host(testbed.network(), "10.0.0.5/24")
    assert run_in(host, "cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert "::1/128" in run_in(host, "ip", "-6", "addr")
    assert "inet6" not in run_in(host, "ip", "addr", "show", "dev", "eth0")


def test_labels_are_kept_by_the_kernel(testbed: FabricTestbed) -> None:
    network, server = str(uuid.uuid4()), str(uuid.uuid4())
    testbed.fabric.create_network(network, {"run": "20260101-a b"})
    testbed.fabric.create_network(network, {"run": "another"})
    testbed.fabric.create_server_namespace(server, {"run": "r2"})
    testbed.fabric.label("network", network, {"expires": "2026-01-01T00:00:00Z"})
    # A process that knows nothing but the cloud's name.
    owned = {f.labels["id"]: f for f in Fabric(testbed.cloud, testbed.pools).list_ours()}
    assert owned[network].kind == "network"
    assert owned[network].labels == {
        "cloud": testbed.cloud,
        "id": network,
        "run": "20260101-a b",
        "expires": "2026-01-01T00:00:00Z",
    }
    assert owned[server].kind == "server"
    assert Fabric("another cloud", testbed.pools).list_ours() == ()


def test_names_too_long_for_the_kernel_still_tell_clouds_apart(testbed: FabricTestbed) -> None:
    long = f"{testbed.cloud}:{'/a folder with a long name' * 9}"
    one, two = Fabric(f"{long}/1", testbed.pools), Fabric(f"{long}/2", testbed.pools)
    server = str(uuid.uuid4())
    one.create_server_namespace(server)
    try:
        assert [owned.labels["id"] for owned in one.list_ours()] == [server]
        assert two.list_ours() == ()
    finally:
        one.delete_server_namespace(server)


def test_found_namespaces_are_removed_without_further_knowledge(testbed: FabricTestbed) -> None:
    network = testbed.network()
    testbed.host(network, "10.0.0.5/24")
    testbed.fabric.create_router(str(uuid.uuid4()))
    for owned in testbed.fabric.list_ours():
        testbed.fabric.remove_namespace(owned)
        testbed.fabric.remove_namespace(owned)
    assert testbed.fabric.list_ours() == ()
    assert network not in {owned.labels.get("id") for owned in find_all()}


def test_half_made_namespace_is_completed(testbed: FabricTestbed) -> None:
    network = str(uuid.uuid4())
    namespace = f"infraci-n-{network.replace('-', '')[:10]}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    testbed.fabric.create_network(network)
    host = testbed.host(network, "10.0.0.5/24")
    testbed.listen("whole", host)
    testbed.fabric.add_access(network, testbed.access(7), "10.0.0.5")
    assert testbed.ask(None, testbed.access(7)) == "whole saw 169.254.169.254"


def test_ten_servers_are_wired_at_once(testbed: FabricTestbed) -> None:
    network = testbed.network()

    def wire(number: int) -> str:
        host = testbed.host(network, f"10.0.0.{number}/24")
        testbed.fabric.add_access(network, testbed.access(number), f"10.0.0.{number}")
        return run_in(host, "ip", "-brief", "addr", "show", "dev", "eth0")

    with ThreadPoolExecutor(10) as pool:
        shown = list(pool.map(wire, range(10, 20)))
    assert [line.split()[-1] for line in shown] == [f"10.0.0.{n}/24" for n in range(10, 20)]


def test_removing_what_never_was_is_a_success(testbed: FabricTestbed) -> None:
    nothing = str(uuid.uuid4())
    testbed.fabric.unplug(nothing, "eth0")
    testbed.fabric.delete_server_namespace(nothing)
    testbed.fabric.remove_access(nothing, testbed.access(9))
    testbed.fabric.delete_network(nothing)
    testbed.fabric.router(nothing).remove_floating(testbed.public(9))
    testbed.fabric.router(nothing).remove_leg(nothing, "10.0.0.1/24")
    testbed.fabric.router(nothing).clear_gateway()
    testbed.fabric.delete_router(nothing)


def test_plugging_into_a_network_that_is_not_there_says_so(testbed: FabricTestbed) -> None:
    server = str(uuid.uuid4())
    testbed.fabric.create_server_namespace(server)
    with pytest.raises(WiringError, match=r"cannot wire .*: .*netns"):
        testbed.fabric.plug(server, nic(str(uuid.uuid4()), "10.0.0.5/24"))


def test_bridge_of_another_cloud_is_left_alone(testbed: FabricTestbed) -> None:
    other = Fabric("another cloud", testbed.pools)
    with pytest.raises(WiringError, match="belongs to another cloud"):
        other.ensure_host()
    other.teardown()
    assert Path(f"/sys/class/net/{testbed.pools.bridge}").exists()


def test_teardown_leaves_the_host_as_it_was() -> None:
    forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with FabricTestbed() as testbed:
        network, router = testbed.network(), str(uuid.uuid4())
        testbed.host(network, "10.0.0.5/24", gateway="10.0.0.1")
        testbed.fabric.add_access(network, testbed.access(5), "10.0.0.5")
        testbed.fabric.create_router(router)
        testbed.fabric.router(router).add_leg(network, "fa:16:3e:00:00:01", "10.0.0.1/24")
        testbed.fabric.router(router).set_gateway(testbed.public(20), snat=True)
        testbed.fabric.router(router).add_floating(testbed.public(30), "10.0.0.5")
    testbed.fabric.teardown()
    assert testbed.fabric.list_ours() == ()
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    ids = (network.replace("-", "")[:10], router.replace("-", "")[:10])
    assert not any(name in links for name in (testbed.pools.bridge, *ids))
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    assert testbed.pools.bridge not in rules.stdout
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forward


def _ip(namespace: Path, *arguments: str) -> list[dict[str, Any]]:
    shown = subprocess.run(
        ["ip", "-n", namespace.name, "-json", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    owned: list[dict[str, Any]] = json.loads(shown.stdout)
    return owned


def test_card_has_the_mtu_of_its_network_and_ipv6_from_the_start(testbed: FabricTestbed) -> None:
    network, server = testbed.network(), str(uuid.uuid4())
    testbed.fabric.create_server_namespace(server)
    card = Nic(
        device="eth0",
        network_id=network,
        mac="fa:16:3e:12:34:56",
        addresses=("fd00::f816:3eff:fe12:3456/64", "10.0.0.5/24"),
        gateway6="fd00::1",
        mtu=1300,
    )
    testbed.fabric.plug(server, card)
    (link,) = _ip(server_namespace(server), "addr", "show", "dev", "eth0")
    assert link["mtu"] == 1300
    assert {(a["local"], a.get("tentative", False)) for a in link["addr_info"]} == {
        ("10.0.0.5", False),
        ("fd00::f816:3eff:fe12:3456", False),
        ("fe80::f816:3eff:fe12:3456", False),
    }
    routes = {route["dst"]: route for route in _ip(server_namespace(server), "-6", "route", "show")}
    assert routes["default"]["gateway"] == "fd00::1"
    assert (card.ipv4, card.has_ipv6) == ("10.0.0.5", True)
