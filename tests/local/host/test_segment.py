"""Networks apart from each other, and what the host and the cloud's address are to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infraci.local.host.segment import CLOUD_ADDRESS
from tests.local.wires import Bench, Host, run_in

pytestmark = pytest.mark.cloud

SIGNAL, OTHER = 18001, 18002


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Who listens on two ports of this machine, of which the first is for signals."""
    with Bench() as bench:
        bench.listen("signals", None, SIGNAL)
        bench.listen("other", None, OTHER)
        bench.fabric.open_ports(signal=SIGNAL)
        yield bench


@pytest.fixture(scope="module")
def twins(bench: Bench) -> tuple[Host, Host]:
    """Two servers of the same address in two networks, each with an access address."""
    first, second = bench.network(), bench.network()
    one, two = bench.host(first, "10.0.0.5/24"), bench.host(second, "10.0.0.5/24")
    bench.listen("one", one)
    bench.listen("two", two)
    bench.fabric.add_access(first, bench.access(5), "10.0.0.5")
    bench.fabric.add_access(second, bench.access(6), "10.0.0.5")
    return one, two


def test_host_logs_in_to_each_of_two_servers_with_one_address(
    bench: Bench, twins: tuple[Host, Host]
) -> None:
    assert bench.ask(None, bench.access(5)) == f"one saw {CLOUD_ADDRESS}"
    assert bench.ask(None, bench.access(6)) == f"two saw {CLOUD_ADDRESS}"


def test_signals_arrive_from_the_access_address(bench: Bench, twins: tuple[Host, Host]) -> None:
    one, two = twins
    assert bench.ask(one, CLOUD_ADDRESS, SIGNAL) == f"signals saw {bench.access(5)}"
    assert bench.ask(two, CLOUD_ADDRESS, SIGNAL) == f"signals saw {bench.access(6)}"


def test_only_the_signal_port_is_open(bench: Bench, twins: tuple[Host, Host]) -> None:
    assert bench.reaches_nobody(twins[0], CLOUD_ADDRESS, OTHER)


def test_servers_of_one_network_meet(bench: Bench) -> None:
    network = bench.network()
    asked, asking = bench.host(network, "10.0.0.5/24"), bench.host(network, "10.0.0.6/24")
    bench.listen("asked", asked)
    assert bench.ask(asking, "10.0.0.5") == "asked saw 10.0.0.6"


def test_network_without_router_reaches_nothing(bench: Bench, twins: tuple[Host, Host]) -> None:
    one, _ = twins
    # Not even with the cloud's address as its router, which a guest's root may try.
    run_in(one, "ip", "route", "add", "default", "via", CLOUD_ADDRESS, "dev", "eth0", "onlink")
    assert bench.reaches_nobody(one, bench.access(1), SIGNAL)
    assert bench.reaches_nobody(one, bench.public(1), OTHER)
    assert bench.reaches_nobody(one, bench.access(6))


def test_access_address_moves_to_another_server(bench: Bench) -> None:
    network, other = bench.network(), bench.network()
    bench.listen("before", bench.host(network, "10.0.0.5/24"))
    bench.listen("after", bench.host(other, "10.0.0.7/24"))
    bench.fabric.add_access(network, bench.access(9), "10.0.0.5")
    assert bench.ask(None, bench.access(9)) == f"before saw {CLOUD_ADDRESS}"
    bench.fabric.remove_access(network, bench.access(9))
    bench.fabric.remove_access(network, bench.access(9))
    bench.fabric.add_access(other, bench.access(9), "10.0.0.7")
    bench.fabric.add_access(other, bench.access(9), "10.0.0.7")
    assert bench.ask(None, bench.access(9)) == f"after saw {CLOUD_ADDRESS}"
