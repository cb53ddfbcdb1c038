"""Subnets of both versions by Neutron's rules, and the addresses that ports have in them."""

from __future__ import annotations

from typing import Any

import pytest

from infraci.local.domain.networks import Networks
from infraci.local.domain.neutron import ROUTER_INTERFACE
from infraci.local.domain.records import Network, Pool, Port, Route, Router, Subnet
from infraci.local.domain.requests import AddressRequest
from infraci.local.domain.routers import Routers
from infraci.local.errors import RequestError
from tests.local.domain.test_networks import RecordedWiring, networks, routers, wires

__all__ = ["networks", "routers", "wires"]

MAC = "fa:16:3e:12:34:56"
#: What a card with that MAC address makes itself (oslo.utils' get_ipv6_addr_by_EUI64).
OWN = "f816:3eff:fe12:3456"
SIX: dict[str, Any] = {"ip_version": 6}
SLAAC: dict[str, Any] = {**SIX, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


def subnet(networks: Networks, cidr: str, network: Network | None = None, **fields: Any) -> Subnet:
    network = network or networks.create_network(Network())
    return networks.subnets.create(Subnet(network_id=network.id, cidr=cidr, **fields))


def port(
    networks: Networks, network_id: str, *addresses: AddressRequest, **fields: Any
) -> list[str]:
    made = networks.create_port(
        Port(network_id=network_id, mac_address=MAC, **fields), addresses=addresses or None
    )
    return [fixed.ip_address for fixed in made.fixed_ips]


@pytest.mark.parametrize(
    ("cidr", "gateway", "pools"),
    [
        ("10.0.0.0/29", "10.0.0.1", [("10.0.0.2", "10.0.0.6")]),
        ("2001:DB8::/64", "2001:db8::1", [("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff")]),
        ("fd00::/126", "fd00::1", [("fd00::2", "fd00::3")]),
    ],
)
def test_gateway_and_pools_are_chosen(
    networks: Networks, cidr: str, gateway: str, pools: list[tuple[str, str]]
) -> None:
    made = subnet(networks, cidr, ip_version=6 if ":" in cidr else 4)
    assert made.cidr == cidr.lower()
    assert made.gateway_ip == gateway
    assert [(pool.start, pool.end) for pool in made.allocation_pools] == pools


@pytest.mark.parametrize(
    ("cidr", "fields", "message"),
    [
        ("10.0.0.0/24", SIX, "cidr '10.0.0.0/24' does not match the ip_version '6'"),
        ("0.0.0.0/0", {}, "0 is not allowed as CIDR prefix length"),
        ("10.0.0.0/31", {}, "prefix length that is incompatible with DHCP service enabled"),
        ("fd00::/127", SIX, "prefix length that is incompatible with DHCP service enabled"),
        ("224.0.0.0/24", {}, "Multicast IP subnet is not supported if enable_dhcp is True"),
        ("127.0.0.0/24", {}, "Loopback IP subnet is not supported if enable_dhcp is True"),
        ("10.0.0.0/24", {"gateway_ip": "10.0.0.255"}, "Gateway is not valid on subnet"),
        ("10.0.0.0/24", {"gateway_ip": "fd00::1"}, "gateway_ip 'fd00::1' does not match"),
        ("10.0.0.0/24", {"gateway_ip": "first one"}, "is not a valid IP address"),
        ("10.0.0.0/24", {"dns_nameservers": ("x",)}, "Error parsing dns address x"),
        ("10.0.0.0/24", {"dns_nameservers": ("::1",)}, "dns_nameserver '::1' does not match"),
        ("10.0.0.0/24", {"dns_nameservers": ("9.9.9.9",) * 6}, "DNS nameservers exceeds the limit"),
        (
            "10.0.0.0/24",
            {"host_routes": (Route(destination="fd00::/8", nexthop="10.0.0.9"),)},
            "destination 'fd00::/8' does not match the ip_version '4'",
        ),
        (
            "10.0.0.0/24",
            {"ipv6_ra_mode": "slaac"},
            "ipv6_ra_mode is not valid when ip_version is 4",
        ),
        ("fd00::/64", {**SIX, "ipv6_ra_mode": "magic"}, "'magic' is not in "),
        (
            "fd00::/64",
            {**SIX, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
            "ipv6_ra_mode set to 'slaac' with ipv6_address_mode set to 'dhcpv6-stateful' is not",
        ),
        ("fd00::/64", {**SLAAC, "enable_dhcp": False}, "cannot be set when enable_dhcp is set to"),
        ("fd00::/72", SLAAC, "which requires the prefix to be /64"),
        (
            "10.0.0.0/24",
            {"allocation_pools": (Pool(start="10.0.0.9", end="10.0.1.9"),)},
            "The allocation pool 10.0.0.9-10.0.1.9 spans beyond the subnet cidr 10.0.0.0/24.",
        ),
        (
            "10.0.0.0/24",
            {"allocation_pools": (Pool(start="10.0.0.9", end="10.0.0.8"),)},
            "The allocation pool 10.0.0.9-10.0.0.8 is not valid.",
        ),
        (
            "10.0.0.0/24",
            {"allocation_pools": (Pool(start="10.0.0.1", end="10.0.0.8"),)},
            "Gateway ip 10.0.0.1 conflicts with allocation pool 10.0.0.1-10.0.0.8.",
        ),
        (
            "10.0.0.0/24",
            {
                "allocation_pools": (
                    Pool(start="10.0.0.8", end="10.0.0.9"),
                    Pool(start="10.0.0.2", end="10.0.0.8"),
                )
            },
            "Found overlapping allocation pools: 10.0.0.2-10.0.0.8 10.0.0.8-10.0.0.9",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    networks: Networks, cidr: str, fields: dict[str, Any], message: str
) -> None:
    network = networks.create_network(Network())
    with pytest.raises(RequestError) as error:
        subnet(networks, cidr, network, **fields)
    assert message in error.value.message
    assert networks.require(Network, network.id).subnets == ()


def test_a_change_is_validated_as_a_whole(networks: Networks, routers: Routers) -> None:
    made = subnet(networks, "10.0.0.0/24")
    changed = networks.subnets.update(made.id, dns_nameservers=("9.9.9.9",), gateway_ip=None)
    assert (changed.dns_nameservers, changed.gateway_ip) == (("9.9.9.9",), None)
    with pytest.raises(RequestError, match="conflicts with allocation pool"):
        networks.subnets.update(made.id, gateway_ip="10.0.0.7")
    networks.subnets.update(made.id, gateway_ip="10.0.0.1")
    routers.add_subnet(routers.create_router(Router()).id, made.id)
    with pytest.raises(RequestError, match=r"Current gateway ip 10\.0\.0\.1 already in use"):
        networks.subnets.update(made.id, gateway_ip=None)


def test_a_port_has_an_address_of_each_version(networks: Networks) -> None:
    network = networks.create_network(Network())
    stateful = {**SIX, "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"}
    four = subnet(networks, "10.0.0.0/24", network)
    subnet(networks, "10.0.1.0/24", network)
    six = subnet(networks, "fd00::/64", network, **stateful)
    subnet(networks, "fd00:0:0:1::/64", network, **SLAAC)
    subnet(networks, "fd00:0:0:2::/64", network, **SIX, ipv6_address_mode="dhcpv6-stateless")
    own = [f"fd00::1:{OWN}", f"fd00::2:{OWN}"]
    assert port(networks, network.id) == ["10.0.0.2", "fd00::2", *own]
    assert port(networks, network.id, AddressRequest(subnet_id=six.id)) == ["fd00::3", *own]
    assert port(networks, network.id, AddressRequest(ip_address="FD00::9")) == ["fd00::9", *own]
    assert port(
        networks,
        network.id,
        AddressRequest(subnet_id=four.id, ip_address="10.0.0.9"),
        device_owner=ROUTER_INTERFACE,
    ) == ["10.0.0.9"]
    none = networks.create_port(Port(network_id=network.id), addresses=())
    assert none.fixed_ips == ()


def test_where_cards_make_their_addresses_no_other_is_given(networks: Networks) -> None:
    made = subnet(networks, "fd00::/64", **SLAAC)
    assert port(networks, made.network_id, AddressRequest(subnet_id=made.id)) == [f"fd00::{OWN}"]
    with pytest.raises(RequestError, match="subnet is configured for automatic addresses"):
        port(networks, made.network_id, AddressRequest(ip_address="fd00::9"))


def test_the_next_subnet_is_taken_where_one_is_full(networks: Networks) -> None:
    network = networks.create_network(Network())
    subnet(networks, "10.0.0.0/30", network)
    assert port(networks, network.id) == ["10.0.0.2"]
    with pytest.raises(RequestError, match="No more IP addresses available on network"):
        port(networks, network.id)
    subnet(networks, "10.0.1.0/24", network)
    assert port(networks, network.id) == ["10.0.1.2"]


def test_a_port_keeps_a_subnet_unless_its_card_makes_the_address(networks: Networks) -> None:
    network = networks.create_network(Network())
    four = subnet(networks, "10.0.0.0/24", network)
    six = subnet(networks, "fd00::/64", network, **SLAAC)
    made = networks.create_port(Port(network_id=network.id))
    with pytest.raises(RequestError):
        networks.subnets.delete(four.id)
    networks.subnets.delete(six.id)
    assert [f.subnet_id for f in networks.require(Port, made.id).fixed_ips] == [four.id]


def test_the_gateways_address_can_be_a_servers(networks: Networks, routers: Routers) -> None:
    made = subnet(networks, "10.0.0.0/24")
    request = AddressRequest(ip_address="10.0.0.1")
    assert port(networks, made.network_id, request) == ["10.0.0.1"]
    with pytest.raises(RequestError, match=r"IP address 10\.0\.0\.1 already allocated in subnet"):
        routers.add_subnet(routers.create_router(Router()).id, made.id)


def test_ipv6_subnets_of_a_network_share_a_routers_interface(
    networks: Networks, routers: Routers, wires: RecordedWiring
) -> None:
    network = networks.create_network(Network())
    four = subnet(networks, "10.0.0.0/24", network)
    six = [subnet(networks, f"fd00:0:0:{n}::/64", network, **SLAAC) for n in (1, 2)]
    router = routers.create_router(Router())
    legs = [routers.add_subnet(router.id, each.id) for each in (four, *six)]
    assert legs[1].id == legs[2].id != legs[0].id
    assert [*wires.calls[-1]] == ["add_leg", "fd00:0:0:1::1/64", "fd00:0:0:2::1/64"]
    removed = routers.remove_interface(router.id, subnet_id=six[0].id)
    assert [fixed.subnet_id for fixed in removed.fixed_ips] == [six[0].id]
    assert [*wires.calls[-1]] == ["add_leg", "fd00:0:0:2::1/64"]
    routers.remove_interface(router.id, subnet_id=six[1].id)
    assert [*wires.calls[-1]] == ["remove_leg", "fd00:0:0:2::1/64"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**SIX, "gateway_ip": None}, "Subnet for router interface must have a gateway IP"),
        ({**SIX, "ipv6_address_mode": "slaac"}, "configured to receive RAs from an external"),
    ],
)
def test_what_a_router_cannot_join(
    networks: Networks, routers: Routers, fields: dict[str, Any], message: str
) -> None:
    made = subnet(networks, "fd00::/64", **fields)
    with pytest.raises(RequestError, match=message):
        routers.add_subnet(routers.create_router(Router()).id, made.id)


def test_mtu(networks: Networks) -> None:
    default = networks.create_network(Network())
    small = networks.create_network(Network(mtu=1300))
    assert (default.mtu, small.mtu) == (1400, 1300)
    with pytest.raises(RequestError, match="Requested MTU is too big, maximum is 1400"):
        networks.create_network(Network(mtu=9000))
    with pytest.raises(RequestError, match="Requested MTU is too big"):
        networks.update_network(small.id, mtu=1401)
    assert networks.update_network(small.id, mtu=0).mtu == 1400
