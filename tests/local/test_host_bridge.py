"""Choosing addresses that this machine does not use."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from infraci.errors import CloudError
from infraci.local.host_bridge import choose_pools


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
