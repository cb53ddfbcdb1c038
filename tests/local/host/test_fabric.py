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
from tests.local.wires import Bench, nic, run_in

pytestmark = pytest.mark.cloud


@pytest.fixture
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def test_card_has_its_address_routes_and_mtu(bench: Bench) -> None:
    network, server = bench.network(), str(uuid.uuid4())
    bench.fabric.create_server_namespace(server)
    card = Nic(
        device="eth0",
        network_id=network,
        mac="fa:16:3e:12:34:56",
        addresses=("10.0.0.5/24", "10.0.1.5/24"),
        gateway="10.0.0.1",
        routes=(("192.168.9.0/24", "10.0.0.9"),),
    )
    bench.fabric.plug(server, card)
    bench.fabric.plug(server, card)
    inside = server_namespace(server)
    (link,) = _ip(inside, "addr", "show", "dev", "eth0")
    assert (link["address"], link["mtu"], link["operstate"]) == ("fa:16:3e:12:34:56", 1400, "UP")
    assert [a["local"] for a in link["addr_info"]] == ["10.0.0.5", "10.0.1.5"]
    routes = {route["dst"]: route.get("gateway") for route in _ip(inside, "route", "show")}
    assert routes["default"] == "10.0.0.1"
    assert routes["192.168.9.0/24"] == "10.0.0.9"
    assert "169.254.169.254" in routes


def test_second_card_does_not_take_the_default_route(bench: Bench) -> None:
    host = bench.host(bench.network(), "10.0.0.5/24", gateway="10.0.0.1")
    card = nic(bench.network(), "10.9.0.5/24", device="eth1", gateway="10.9.0.1")
    bench.fabric.plug(host.id, card)
    assert "dev eth0" in run_in(host, "ip", "route", "get", "203.0.113.1")
    bench.fabric.unplug(host.id, "eth1")
    bench.fabric.unplug(host.id, "eth1")
    assert "eth1" not in run_in(host, "ip", "link")


def test_gateway_outside_of_the_subnet_is_reached_on_the_link(bench: Bench) -> None:
    host = bench.host(bench.network(), "10.0.0.5/32", gateway="10.0.0.1")
    assert "default via 10.0.0.1 dev eth0 onlink" in run_in(host, "ip", "route")


def test_server_forwards_nothing_and_has_the_ipv6_loopback(bench: Bench) -> None:
    host = bench.host(bench.network(), "10.0.0.5/24")
    assert run_in(host, "cat", "/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert "::1/128" in run_in(host, "ip", "-6", "addr")
    assert "inet6" not in run_in(host, "ip", "addr", "show", "dev", "eth0")


def test_labels_are_kept_by_the_kernel(bench: Bench) -> None:
    network, server = str(uuid.uuid4()), str(uuid.uuid4())
    bench.fabric.create_network(network, {"run": "20260101-a b"})
    bench.fabric.create_network(network, {"run": "another"})
    bench.fabric.create_server_namespace(server, {"run": "r2"})
    bench.fabric.label("network", network, {"expires": "2026-01-01T00:00:00Z"})
    # A process that knows nothing but the cloud's name.
    found = {f.labels["id"]: f for f in Fabric(bench.cloud, bench.pools).list_ours()}
    assert found[network].kind == "network"
    assert found[network].labels == {
        "cloud": bench.cloud,
        "id": network,
        "run": "20260101-a b",
        "expires": "2026-01-01T00:00:00Z",
    }
    assert found[server].kind == "server"
    assert Fabric("another cloud", bench.pools).list_ours() == ()


def test_names_too_long_for_the_kernel_still_tell_clouds_apart(bench: Bench) -> None:
    long = f"{bench.cloud}:{'/a folder with a long name' * 9}"
    one, two = Fabric(f"{long}/1", bench.pools), Fabric(f"{long}/2", bench.pools)
    server = str(uuid.uuid4())
    one.create_server_namespace(server)
    try:
        assert [found.labels["id"] for found in one.list_ours()] == [server]
        assert two.list_ours() == ()
    finally:
        one.delete_server_namespace(server)


def test_found_namespaces_are_removed_without_further_knowledge(bench: Bench) -> None:
    network = bench.network()
    bench.host(network, "10.0.0.5/24")
    bench.fabric.create_router(str(uuid.uuid4()))
    for found in bench.fabric.list_ours():
        bench.fabric.remove_found(found)
        bench.fabric.remove_found(found)
    assert bench.fabric.list_ours() == ()
    assert network not in {found.labels.get("id") for found in find_all()}


def test_half_made_namespace_is_completed(bench: Bench) -> None:
    network = str(uuid.uuid4())
    namespace = f"infraci-n-{network.replace('-', '')[:10]}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    bench.fabric.create_network(network)
    host = bench.host(network, "10.0.0.5/24")
    bench.listen("whole", host)
    bench.fabric.add_access(network, bench.access(7), "10.0.0.5")
    assert bench.ask(None, bench.access(7)) == "whole saw 169.254.169.254"


def test_ten_servers_are_wired_at_once(bench: Bench) -> None:
    network = bench.network()

    def wire(number: int) -> str:
        host = bench.host(network, f"10.0.0.{number}/24")
        bench.fabric.add_access(network, bench.access(number), f"10.0.0.{number}")
        return run_in(host, "ip", "-brief", "addr", "show", "dev", "eth0")

    with ThreadPoolExecutor(10) as pool:
        shown = list(pool.map(wire, range(10, 20)))
    assert [line.split()[-1] for line in shown] == [f"10.0.0.{n}/24" for n in range(10, 20)]


def test_removing_what_never_was_is_a_success(bench: Bench) -> None:
    nothing = str(uuid.uuid4())
    bench.fabric.unplug(nothing, "eth0")
    bench.fabric.delete_server_namespace(nothing)
    bench.fabric.remove_access(nothing, bench.access(9))
    bench.fabric.delete_network(nothing)
    bench.fabric.remove_floating(nothing, bench.public(9))
    bench.fabric.remove_router_leg(nothing, nothing, "10.0.0.1/24")
    bench.fabric.clear_router_gateway(nothing)
    bench.fabric.delete_router(nothing)


def test_plugging_into_a_network_that_is_not_there_says_so(bench: Bench) -> None:
    server = str(uuid.uuid4())
    bench.fabric.create_server_namespace(server)
    with pytest.raises(WiringError, match=r"cannot wire .*: .*netns"):
        bench.fabric.plug(server, nic(str(uuid.uuid4()), "10.0.0.5/24"))


def test_bridge_of_another_cloud_is_left_alone(bench: Bench) -> None:
    other = Fabric("another cloud", bench.pools)
    with pytest.raises(WiringError, match="belongs to another cloud"):
        other.ensure_host()
    other.teardown()
    assert Path(f"/sys/class/net/{bench.pools.bridge}").exists()


def test_teardown_leaves_the_host_as_it_was() -> None:
    forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    with Bench() as bench:
        network, router = bench.network(), str(uuid.uuid4())
        bench.host(network, "10.0.0.5/24", gateway="10.0.0.1")
        bench.fabric.add_access(network, bench.access(5), "10.0.0.5")
        bench.fabric.create_router(router)
        bench.fabric.add_router_leg(router, network, "fa:16:3e:00:00:01", "10.0.0.1/24")
        bench.fabric.set_router_gateway(router, bench.public(20))
        bench.fabric.add_floating(router, bench.public(30), "10.0.0.5")
    bench.fabric.teardown()
    assert bench.fabric.list_ours() == ()
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    ids = (network.replace("-", "")[:10], router.replace("-", "")[:10])
    assert not any(name in links for name in (bench.pools.bridge, *ids))
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    assert bench.pools.bridge not in rules.stdout
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == forward


def _ip(namespace: Path, *arguments: str) -> list[dict[str, Any]]:
    shown = subprocess.run(
        ["ip", "-n", namespace.name, "-json", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(shown.stdout)
    return found
