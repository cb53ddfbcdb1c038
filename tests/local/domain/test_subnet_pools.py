"""Subnet pools and address scopes, as Neutron takes and refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from infraci.local.domain.networks import Networks
from infraci.local.domain.records import AddressScope, Network, Subnet, SubnetPool
from infraci.local.domain.subnet_pools import SubnetPools
from infraci.local.errors import RequestError
from tests.local.domain.test_networks import networks, wires

__all__ = ["networks", "wires"]


@pytest.fixture
def pools(networks: Networks) -> SubnetPools:
    return networks.subnets.pools


def pool(pools: SubnetPools, *prefixes: str, **fields: Any) -> SubnetPool:
    return pools.create(SubnetPool(prefixes=prefixes, **fields))


def taken(networks: Networks, pool: SubnetPool, prefixlen: int | None = None, **fields: Any) -> str:
    network = networks.create_network(Network())
    subnet = Subnet(
        network_id=network.id, subnetpool_id=pool.id, ip_version=pool.ip_version, **fields
    )
    return networks.subnets.create(subnet, prefixlen).cidr


def test_subnets_are_taken_from_a_pool(networks: Networks, pools: SubnetPools) -> None:
    made = pool(pools, "10.0.0.0/16", default_prefixlen=24)
    assert taken(networks, made) == "10.0.0.0/24"
    assert taken(networks, made, 26) == "10.0.1.0/26"
    assert taken(networks, made, 25) == "10.0.1.128/25"
    assert taken(networks, made) == "10.0.2.0/24"
    assert taken(networks, made, cidr="10.0.9.0/24") == "10.0.9.0/24"
    subnet = networks.store.find(Subnet, lambda subnet: subnet.cidr == "10.0.1.0/26")[0]
    assert subnet.gateway_ip == "10.0.1.1"
    networks.subnets.delete(subnet.id)
    assert taken(networks, made, 26) == "10.0.1.0/26"
    six = pool(pools, "fd00::/62")
    assert [taken(networks, six) for _ in range(2)] == ["fd00::/64", "fd00:0:0:1::/64"]


def test_what_is_left_open(pools: SubnetPools) -> None:
    made = pool(pools, "10.0.1.0/24", "10.0.0.0/24")
    assert made.prefixes == ("10.0.0.0/23",)
    assert (made.min_prefixlen, made.default_prefixlen, made.max_prefixlen) == (8, 8, 32)
    six = pool(pools, "fd00::/48")
    assert (six.ip_version, six.default_prefixlen, six.max_prefixlen) == (6, 64, 128)


@pytest.mark.parametrize(
    ("prefixlen", "fields", "message"),
    [
        (28, {}, "subnet with prefix length 28, maximum allowed prefix is 27"),
        (22, {}, "subnet with prefix length 22, minimum allowed prefix is 23"),
        (23, {}, "Insufficient prefix space to allocate subnet size /23"),
        (None, {"cidr": "10.1.0.0/24"}, "Cannot allocate requested subnet from the available set"),
        (24, {"cidr": "10.0.0.0/24"}, "cidr and prefixlen must not be supplied together"),
        (None, {"ip_version": 6}, "Cannot allocate IPv6 subnet from IPv4 subnet pool"),
        (24, {"subnetpool_id": None}, "a subnetpool must be specified in the absence of a cidr"),
        (24, {"subnetpool_id": "absent"}, "SubnetPool absent could not be found"),
    ],
)
def test_a_subnet_that_a_pool_has_not(
    networks: Networks,
    pools: SubnetPools,
    prefixlen: int | None,
    fields: dict[str, Any],
    message: str,
) -> None:
    made = pool(pools, "10.0.0.0/24", min_prefixlen=23, max_prefixlen=27)
    network = networks.create_network(Network())
    subnet = Subnet(**{"network_id": network.id, "subnetpool_id": made.id, **fields})
    with pytest.raises(RequestError, match=message):
        networks.subnets.create(subnet, prefixlen)


@pytest.mark.parametrize(
    ("prefixes", "fields", "message"),
    [
        ((), {}, "Empty subnet pool prefix list"),
        (("10.0.0.0/8", "fd00::/48"), {}, "Cannot mix IPv4 and IPv6 prefixes"),
        (
            ("10.0.0.0/8",),
            {"min_prefixlen": 25, "max_prefixlen": 24},
            "Illegal prefix bounds: max_prefixlen=24, min_prefixlen=25",
        ),
        (
            ("10.0.0.0/8",),
            {"min_prefixlen": 25, "default_prefixlen": 24},
            "Illegal prefix bounds: default_prefixlen=24, min_prefixlen=25",
        ),
        (
            ("10.0.0.0/8",),
            {"max_prefixlen": 25, "default_prefixlen": 26},
            "Illegal prefix bounds: default_prefixlen=26, max_prefixlen=25",
        ),
        (("10.0.0.0/8",), {"address_scope_id": "absent"}, "AddressScope absent could not be"),
    ],
)
def test_a_pool_that_is_refused(
    pools: SubnetPools, prefixes: tuple[str, ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        pool(pools, *prefixes, **fields)


def test_subnets_of_a_network_are_of_one_pool(networks: Networks, pools: SubnetPools) -> None:
    network = networks.create_network(Network())
    networks.subnets.create(Subnet(network_id=network.id, cidr="10.9.0.0/24"))
    made = pool(pools, "10.0.0.0/16")
    with pytest.raises(RequestError, match="must be allocated from the same subnet pool"):
        networks.subnets.create(Subnet(network_id=network.id, subnetpool_id=made.id), 24)
    six = pool(pools, "fd00::/48")
    subnet = Subnet(network_id=network.id, subnetpool_id=six.id, ip_version=6)
    assert networks.subnets.create(subnet).cidr == "fd00::/64"


def test_a_pool_grows_and_stays_while_it_is_used(networks: Networks, pools: SubnetPools) -> None:
    made = pool(pools, "10.0.0.0/24")
    taken(networks, made, 25)
    with pytest.raises(RequestError, match="Subnet pool has existing allocations"):
        pools.delete(made.id)
    with pytest.raises(RequestError, match="Illegal update to prefixes"):
        pools.update(made.id, prefixes=("10.1.0.0/24",))
    assert pools.update(made.id, prefixes=("10.0.0.0/23",)).prefixes == ("10.0.0.0/23",)
    pools.delete(pool(pools, "10.2.0.0/24").id)


def test_address_scopes(networks: Networks, pools: SubnetPools) -> None:
    scope = networks.store.put(AddressScope(ip_version=4))
    made = pool(pools, "10.0.0.0/24", address_scope_id=scope.id)
    with pytest.raises(RequestError, match="must have unique prefixes"):
        pool(pools, "10.0.0.0/25", address_scope_id=scope.id)
    with pytest.raises(RequestError, match="because subnetpool ip_version is not 4"):
        pool(pools, "fd00::/48", address_scope_id=scope.id)
    with pytest.raises(RequestError, match="subnet pools in use on the address scope"):
        pools.delete_scope(scope.id)
    pools.update(made.id, address_scope_id=None)
    pools.delete_scope(scope.id)


def test_one_default_for_each_version(pools: SubnetPools) -> None:
    pool(pools, "10.0.0.0/24", is_default=True)
    pool(pools, "fd00::/48", is_default=True)
    with pytest.raises(RequestError, match="Only one default may exist per IP family"):
        pool(pools, "10.1.0.0/24", is_default=True)
