"""Neutron's rules for networks, by stacks without servers: the same on every cloud."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.clouds import CloudUnderTest
from tests.local.conftest import hot, resource, until

pytestmark = pytest.mark.timeout(600)

Create = Callable[[Mapping[str, object]], Any]
NET = {"get_resource": "net"}


@pytest.fixture
def create(cloud: CloudUnderTest) -> Iterator[Create]:
    """Creates stacks, each up to its end; they are removed."""
    orchestration = cloud.connection.orchestration
    ids: list[str] = []

    def settled(id_: str) -> Any:
        stack = orchestration.get_stack(id_)
        return None if stack.status.endswith("IN_PROGRESS") else stack

    def is_gone(id_: str) -> bool:
        stack = orchestration.find_stack(id_)
        return stack is None or stack.status == "DELETE_COMPLETE"

    def create(template: Mapping[str, object]) -> Any:
        stack = orchestration.create_stack(name=f"contract-networks-{len(ids)}", template=template)
        ids.append(stack.id)
        return until(lambda: settled(stack.id))

    yield create
    for id_ in ids:
        orchestration.delete_stack(id_)
        until(partial(is_gone, id_))


def subnet(cidr: str, **properties: object) -> dict[str, Any]:
    version = ipaddress.ip_network(cidr).version
    return resource("OS::Neutron::Subnet", network=NET, cidr=cidr, ip_version=version, **properties)


def outputs(stack: Any) -> dict[str, Any]:
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    return {output["output_key"]: output["output_value"] for output in stack.outputs}


def test_a_port_has_an_address_of_each_version(create: Create) -> None:
    automatic = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    pool = [{"start": "fd00:0:0:2::10", "end": "fd00:0:0:2::10"}]
    stack = create(
        hot(
            {
                "net": resource("OS::Neutron::Net"),
                "four": subnet("10.61.0.0/24", enable_dhcp=False),
                "slaac": subnet("fd00:0:0:1::/64", **automatic),
                "pooled": subnet("fd00:0:0:2::/64", enable_dhcp=False, allocation_pools=pool),
                "port": {
                    **resource("OS::Neutron::Port", network=NET, mac_address="fa:16:3e:12:34:56"),
                    "depends_on": ["four", "slaac", "pooled"],
                },
            },
            outputs={
                "port": {"value": {"get_attr": ["port", "fixed_ips"]}},
            },
        )
    )
    shown = outputs(stack)
    addresses = {ipaddress.ip_address(fixed["ip_address"]) for fixed in shown["port"]}
    (four,) = [address for address in addresses if address.version == 4]
    assert four in ipaddress.ip_network("10.61.0.0/24")
    assert {str(address) for address in addresses - {four}} == {
        "fd00::1:f816:3eff:fe12:3456",
        "fd00:0:0:2::10",
    }


def test_extra_routes(create: Create, cloud: CloudUnderTest) -> None:
    route = {"destination": "10.9.0.0/16", "nexthop": "10.61.0.9"}
    router = {"get_resource": "router"}
    way = resource("OS::Neutron::RouterInterface", router=router, subnet={"get_resource": "four"})
    resources = {
        "net": resource("OS::Neutron::Net", value_specs={"mtu": 1280}),
        "four": subnet("10.61.0.0/24", gateway_ip="10.61.0.254"),
        "router": resource("OS::Neutron::Router"),
        "way": way,
        "route": resource("OS::Neutron::ExtraRouteSet", router=router, routes=[route]),
    }
    stack = create(
        hot(
            resources,
            outputs={
                "mtu": {"value": {"get_attr": ["net", "mtu"]}},
                "router": {"value": router},
            },
        )
    )
    shown = outputs(stack)
    assert int(shown["mtu"]) == 1280
    assert list(cloud.connection.network.get_router(shown["router"]).routes) == [route]
    interface = {"subnet_id": stack.id}
    ports = list(cloud.connection.network.ports(device_id=shown["router"]))
    (interface["subnet_id"],) = (fixed["subnet_id"] for fixed in ports[0].fixed_ips)
    answer = cloud.connection.network.put(
        f"/routers/{shown['router']}/remove_router_interface", json=interface
    )
    assert answer.status_code == 409
    assert "as it is required by one or more routes" in answer.text


def test_subnets_of_a_pool(create: Create) -> None:
    pool = {"get_resource": "pool"}
    first = resource("OS::Neutron::Subnet", network=NET, subnetpool=pool)
    second = resource("OS::Neutron::Subnet", network=NET, subnetpool=pool, prefixlen=26)
    resources = {
        "net": resource("OS::Neutron::Net"),
        "pool": resource(
            "OS::Neutron::SubnetPool", prefixes=["10.62.0.0/23"], default_prefixlen=24
        ),
        "first": first,
        "second": {**second, "depends_on": "first"},
    }
    shown = {name: {"value": {"get_attr": [name, "cidr"]}} for name in ("first", "second")}
    stack = create(hot(resources, outputs=shown))
    assert outputs(stack) == {"first": "10.62.0.0/24", "second": "10.62.1.0/26"}


FIXED = {"fixed_ips": [{"ip_address": "fd00::5"}]}
SLAAC = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"s": subnet("fd00::/72", **SLAAC)}, "requires the prefix to be /64"),
        ({"s": subnet("fd00::/64", enable_dhcp=False, **SLAAC)}, "cannot be set when enable_dhcp"),
        ({"s": subnet("10.0.0.0/24", gateway_ip="fd00::1")}, "does not match the ip_version '4'"),
        (
            {"s": subnet("10.0.0.0/24", dns_nameservers=["fd00::53"])},
            "dns_nameserver 'fd00::53' does not match the ip_version '4'",
        ),
        (
            {
                "s": subnet(
                    "10.0.0.0/24", allocation_pools=[{"start": "10.0.0.1", "end": "10.0.0.9"}]
                )
            },
            "Gateway ip 10.0.0.1 conflicts with allocation pool",
        ),
        (
            {
                "s": subnet("fd00::/64", **SLAAC),
                "port": {
                    **resource(
                        "OS::Neutron::Port", network=NET, fixed_ips=[{"ip_address": "fd00::5"}]
                    ),
                    "depends_on": "s",
                },
            },
            "the subnet is configured for automatic addresses",
        ),
        (
            {
                "s": subnet("10.0.0.0/24"),
                "router": resource("OS::Neutron::Router"),
                "way": resource(
                    "OS::Neutron::RouterInterface",
                    router={"get_resource": "router"},
                    subnet={"get_resource": "s"},
                ),
                "route": resource(
                    "OS::Neutron::ExtraRouteSet",
                    router={"get_resource": "router"},
                    routes=[{"destination": "10.9.0.0/16", "nexthop": "10.8.0.1"}],
                ),
            },
            "the nexthop is not connected with router",
        ),
        (
            {
                "pool": resource("OS::Neutron::SubnetPool", prefixes=["10.62.0.0/24"]),
                "s": resource(
                    "OS::Neutron::Subnet",
                    network=NET,
                    subnetpool={"get_resource": "pool"},
                    prefixlen=23,
                ),
            },
            "Insufficient prefix space to allocate subnet size /23",
        ),
        (
            {
                "s": subnet("10.0.0.0/24", gateway_ip=None),
                "router": resource("OS::Neutron::Router"),
                "way": resource(
                    "OS::Neutron::RouterInterface",
                    router={"get_resource": "router"},
                    subnet={"get_resource": "s"},
                ),
            },
            "Subnet for router interface must have a gateway IP",
        ),
    ],
)
def test_what_neutron_refuses(
    create: Create, resources: Mapping[str, object], message: str
) -> None:
    stack = create(hot({"net": resource("OS::Neutron::Net"), **resources}))
    assert stack.status == "CREATE_FAILED"
    assert message in stack.status_reason
