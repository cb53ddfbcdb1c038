"""Choosing addresses that this machine does not use."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from infraci.errors import CloudError
from infraci.local.host.host_bridge import choose_pools


def test_pools_are_neighbours_that_nothing_here_routes() -> None:
    pools = choose_pools(f"test:{uuid.uuid4()}")
    assert pools.public.prefixlen == pools.access.prefixlen == 24
    assert not pools.public.overlaps(pools.access)
    assert str(pools.public_host).endswith(".1")
    assert str(pools.access_host).endswith(".1")
    assert pools.bridge.startswith("infraci")


def test_pool_asked_for_is_refused_when_it_is_routed() -> None:
    with pytest.raises(CloudError, match=r"cannot choose addresses .*127\.0\.3\.0/24") as caught:
        choose_pools("test", public="127.0.3.0/24", access="198.18.77.0/24")
    assert caught.value.hint is not None


def test_pool_asked_for_is_taken() -> None:
    pools = choose_pools("test", public="198.18.76.0/24", access="198.18.77.0/24")
    assert str(pools.public) == "198.18.76.0/24"
    assert str(pools.access_host) == "198.18.77.1"


_ON_A_FOREIGN_HOST = """
import ipaddress, pathlib, shutil, subprocess, sys
from infraci.local.host.host_bridge import HostBridge, Pools

def state():
    forward = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
    tables = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True).stdout
    return [forward, tables, links]

pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
if shutil.which("iptables"):
    # As Docker leaves it.
    subprocess.run(["iptables", "-w", "-P", "FORWARD", "DROP"], check=True)
    subprocess.run(["iptables", "-w", "-A", "FORWARD", "-i", "docker0", "-j", "ACCEPT"], check=True)
before = state()
pools = Pools(
    bridge="infraci0",
    public=ipaddress.IPv4Network("198.18.4.0/24"),
    access=ipaddress.IPv4Network("198.18.5.0/24"),
)
bridge = HostBridge("test", pools, mtu=1400)
bridge.ensure()
bridge.ensure()
bridge.open_ports(signal=8000)
forward, tables, links = state()
assert forward == "1\\n"
assert "infraci0" in links
assert "masquerade" in tables
if shutil.which("iptables"):
    accepted = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True).stdout
    assert accepted.count("-i infraci0 -j ACCEPT") == 1, accepted
    assert accepted.index("infraci0") < accepted.index("docker0"), accepted
bridge.remove()
bridge.remove()
after = state()
assert after == before, f"{before} became {after}"
"""


@pytest.mark.cloud
def test_host_that_forwards_nothing_is_left_as_it_was() -> None:
    command = ["unshare", "--net", sys.executable, "-c", _ON_A_FOREIGN_HOST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def routed() -> Iterator[str]:
    """A route of this machine into the middle of a candidate pool."""
    subprocess.run(["ip", "route", "add", "198.18.78.128/25", "dev", "lo"], check=True)
    yield "198.18.78.0/24"
    subprocess.run(["ip", "route", "del", "198.18.78.128/25", "dev", "lo"], check=True)


@pytest.mark.cloud
def test_route_into_a_part_of_the_pool_counts(routed: str) -> None:
    with pytest.raises(CloudError, match="already routes"):
        choose_pools("test", public=routed, access="198.18.79.0/24")
