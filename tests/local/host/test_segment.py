"""Networks apart from each other, and what the host and the cloud's address are to them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from infraci.local.host.segment import CLOUD_ADDRESS
from tests.local.wires import FabricTestbed, ServerNamespace, run_in

pytestmark = pytest.mark.cloud


@pytest.fixture(scope="module")
def testbed() -> Iterator[FabricTestbed]:
    """Who listens on two ports of this machine, of which the first is for signals."""
    with FabricTestbed() as testbed:
        testbed.listen_on_host("other")
        testbed.fabric.open_ports(signal=testbed.listen_on_host("signals"))
        yield testbed


@pytest.fixture(scope="module")
def twins(testbed: FabricTestbed) -> tuple[ServerNamespace, ServerNamespace]:
    """Two servers of the same address in two networks, each with an access address."""
    first, second = testbed.network(), testbed.network()
    one, two = testbed.host(first, "10.0.0.5/24"), testbed.host(second, "10.0.0.5/24")
    testbed.listen("one", one)
    testbed.listen("two", two)
    testbed.fabric.add_access(first, testbed.access(5), "10.0.0.5")
    testbed.fabric.add_access(second, testbed.access(6), "10.0.0.5")
    return one, two


def test_host_logs_in_to_each_of_two_servers_with_one_address(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    assert testbed.ask(None, testbed.access(5)) == f"one saw {CLOUD_ADDRESS}"
    assert testbed.ask(None, testbed.access(6)) == f"two saw {CLOUD_ADDRESS}"


def test_signals_arrive_from_the_access_address(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    one, two = twins
    assert (
        testbed.ask(one, CLOUD_ADDRESS, testbed.port["signals"])
        == f"signals saw {testbed.access(5)}"
    )
    assert (
        testbed.ask(two, CLOUD_ADDRESS, testbed.port["signals"])
        == f"signals saw {testbed.access(6)}"
    )


def test_metadata_is_asked_for_at_port_80_and_answered_at_the_port_of_signals(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    assert testbed.ask(twins[0], CLOUD_ADDRESS, 80) == f"signals saw {testbed.access(5)}"
    assert testbed.ask(twins[1], CLOUD_ADDRESS, 80) == f"signals saw {testbed.access(6)}"
    assert testbed.reaches_none(twins[0], str(testbed.pools.public_host), 80)


def test_only_the_signal_port_is_open(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    assert testbed.reaches_none(twins[0], CLOUD_ADDRESS, testbed.port["other"])


def test_servers_of_one_network_meet(testbed: FabricTestbed) -> None:
    network = testbed.network()
    listener, client = testbed.host(network, "10.0.0.5/24"), testbed.host(network, "10.0.0.6/24")
    testbed.listen("listener", listener)
    assert testbed.ask(client, "10.0.0.5") == "listener saw 10.0.0.6"


def test_network_without_router_reaches_nothing(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    one, _ = twins
    # Not even with the cloud's address as its router, which a guest's root may try.
    run_in(one, "ip", "route", "add", "default", "via", CLOUD_ADDRESS, "dev", "eth0", "onlink")
    assert testbed.reaches_none(one, testbed.access(1), testbed.port["signals"])
    assert testbed.reaches_none(one, testbed.public(1), testbed.port["other"])
    assert testbed.reaches_none(one, testbed.access(6))


def test_access_address_moves_to_another_server(testbed: FabricTestbed) -> None:
    network, other = testbed.network(), testbed.network()
    testbed.listen("before", testbed.host(network, "10.0.0.5/24"))
    testbed.listen("after", testbed.host(other, "10.0.0.7/24"))
    testbed.fabric.add_access(network, testbed.access(9), "10.0.0.5")
    assert testbed.ask(None, testbed.access(9)) == f"before saw {CLOUD_ADDRESS}"
    testbed.fabric.remove_access(network, testbed.access(9))
    testbed.fabric.remove_access(network, testbed.access(9))
    testbed.fabric.add_access(other, testbed.access(9), "10.0.0.7")
    testbed.fabric.add_access(other, testbed.access(9), "10.0.0.7")
    assert testbed.ask(None, testbed.access(9)) == f"after saw {CLOUD_ADDRESS}"


_ASK_FOR_A_NAME = """
import socket, sys
resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
resolver.settimeout(10)
resolver.connect((sys.argv[1], 53))
resolver.send(b"query")
try:
    resolver.recv(512)
except ConnectionRefusedError:
    print("refused")
"""


def test_a_name_server_that_does_not_run_refuses_at_once(
    testbed: FabricTestbed, twins: tuple[ServerNamespace, ServerNamespace]
) -> None:
    """So that a server asks its next one without waiting: nothing listens for UDP here."""
    command = (sys.executable, "-ISc", _ASK_FOR_A_NAME, CLOUD_ADDRESS)
    assert run_in(twins[0], *command) == "refused\n"
