"""Neutron's rules, as our networks keep them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.routers import Routers
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Document, Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError, RequestError


class Wires:
    """Writes down what the machine is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.broken = False

    def note(self, *call: object) -> None:
        self.calls.append(call)
        if self.broken:
            raise CloudError("cannot wire anything")

    def create_network(self, network_id: str) -> None:
        self.note("create_network")

    def delete_network(self, network_id: str) -> None:
        self.note("delete_network")

    def create_router(self, router_id: str) -> None:
        self.note("create_router")

    def delete_router(self, router_id: str) -> None:
        self.note("delete_router")

    def add_router_leg(self, router_id: str, network_id: str, mac: str, address: str) -> None:
        self.note("add_router_leg", address)

    def remove_router_leg(self, router_id: str, network_id: str, address: str) -> None:
        self.note("remove_router_leg", address)

    def set_router_gateway(self, router_id: str, address: str, *, snat: bool) -> None:
        self.note("set_router_gateway", address, snat)

    def clear_router_gateway(self, router_id: str) -> None:
        self.note("clear_router_gateway")

    def add_floating(self, router_id: str, floating: str, fixed: str) -> None:
        self.note("add_floating", floating, fixed)

    def remove_floating(self, router_id: str, floating: str) -> None:
        self.note("remove_floating", floating)


@pytest.fixture
def wires() -> Wires:
    return Wires()


@pytest.fixture
def networks(wires: Wires) -> Networks:
    return Networks(Store(), wires, public_cidr="172.24.4.0/24")


@pytest.fixture
def routers(networks: Networks, wires: Wires) -> Routers:
    return Routers(networks.store, networks, wires)


@pytest.fixture
def groups(networks: Networks) -> SecurityGroups:
    return SecurityGroups(networks.store)


def subnet_of(networks: Networks, cidr: str = "10.0.0.0/24", **more: object) -> Document:
    network = networks.create_network({"name": "n"})
    return networks.create_subnet({"network_id": network["id"], "cidr": cidr, **more})


def refusal(error: pytest.ExceptionInfo[RequestError]) -> tuple[type[RequestError], str]:
    return error.type, error.value.neutron_type


def test_addresses_are_given_in_order_and_leave_the_gateway_out(networks: Networks) -> None:
    subnet = subnet_of(networks, "10.0.0.0/29")
    ports = [networks.create_port({"network_id": subnet["network_id"]}) for _ in range(5)]
    addresses = [port["fixed_ips"][0]["ip_address"] for port in ports]
    assert addresses == ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with pytest.raises(RequestError) as error:
        networks.create_port({"network_id": subnet["network_id"]})
    assert refusal(error) == (ConflictError, "IpAddressGenerationFailure")


def test_an_address_is_given_once(networks: Networks) -> None:
    subnet = subnet_of(networks)
    wish = {"network_id": subnet["network_id"], "fixed_ips": [{"ip_address": "10.0.0.9"}]}
    networks.create_port(wish)
    with pytest.raises(RequestError) as error:
        networks.create_port(wish)
    assert refusal(error) == (ConflictError, "IpAddressAlreadyAllocated")


def test_an_address_outside_of_the_network_is_refused(networks: Networks) -> None:
    subnet = subnet_of(networks)
    with pytest.raises(RequestError) as error:
        networks.create_port(
            {"network_id": subnet["network_id"], "fixed_ips": [{"ip_address": "10.9.0.9"}]}
        )
    assert refusal(error) == (InvalidRequestError, "InvalidIpForNetwork")


def test_allocation_pools_are_kept_to(networks: Networks) -> None:
    pool = {"start": "10.0.0.100", "end": "10.0.0.101"}
    subnet = subnet_of(networks, allocation_pools=[pool])
    port = networks.create_port({"network_id": subnet["network_id"]})
    assert port["fixed_ips"][0]["ip_address"] == "10.0.0.100"


def test_subnets_of_one_network_may_not_overlap_but_those_of_two_may(networks: Networks) -> None:
    subnet = subnet_of(networks, "10.0.0.0/16")
    with pytest.raises(RequestError) as error:
        networks.create_subnet({"network_id": subnet["network_id"], "cidr": "10.0.1.0/24"})
    assert refusal(error) == (InvalidRequestError, "InvalidInput")
    assert subnet_of(networks, "10.0.0.0/16")["cidr"] == "10.0.0.0/16"


def test_subnets_of_one_router_may_not_overlap(networks: Networks, routers: Routers) -> None:
    router, other = routers.create_router({}), routers.create_router({})
    first, second = subnet_of(networks, "10.0.0.0/16"), subnet_of(networks, "10.0.1.0/24")
    routers.add_interface(router["id"], {"subnet_id": first["id"]})
    port = networks.create_port({"network_id": second["network_id"]})
    for wish in ({"subnet_id": second["id"]}, {"port_id": port["id"]}):
        with pytest.raises(RequestError) as error:
            routers.add_interface(router["id"], wish)
        assert refusal(error) == (InvalidRequestError, "BadRequest")
        assert error.value.message.startswith("Bad router request: Cidr 10.0.1.0/24 of subnet ")
    assert routers.add_interface(other["id"], {"subnet_id": second["id"]})["port_id"]


@pytest.mark.parametrize("cidr", ["fd00::/64", "ten", None])
def test_what_is_no_ipv4_cidr_is_refused(networks: Networks, cidr: str | None) -> None:
    with pytest.raises(RequestError) as error:
        subnet_of(networks, cidr)  # type: ignore[arg-type]
    assert error.type is InvalidRequestError


def test_a_floating_ip_needs_a_router_to_the_outside(
    networks: Networks, routers: Routers, wires: Wires
) -> None:
    subnet = subnet_of(networks)
    port = networks.create_port({"network_id": subnet["network_id"]})
    floating = routers.create_floating({"floating_network_id": PUBLIC_ID})
    with pytest.raises(RequestError) as error:
        routers.associate(floating["id"], port["id"], None)
    assert refusal(error) == (NotFoundError, "ExternalGatewayForFloatingIPNotFound")

    router = routers.create_router({"external_gateway_info": {"network_id": PUBLIC_ID}})
    routers.add_interface(router["id"], {"subnet_id": subnet["id"]})
    floating = routers.associate(floating["id"], port["id"], None)
    assert floating["status"] == "ACTIVE"
    assert wires.calls[-1] == ("add_floating", "172.24.4.2", "10.0.0.2")


def test_a_router_interface_stays_while_a_floating_ip_needs_it(
    networks: Networks, routers: Routers
) -> None:
    subnet = subnet_of(networks)
    port = networks.create_port({"network_id": subnet["network_id"]})
    router = routers.create_router({"external_gateway_info": {"network_id": PUBLIC_ID}})
    routers.add_interface(router["id"], {"subnet_id": subnet["id"]})
    floating = routers.create_floating({"floating_network_id": PUBLIC_ID, "port_id": port["id"]})
    with pytest.raises(RequestError) as error:
        routers.remove_interface(router["id"], {"subnet_id": subnet["id"]})
    assert refusal(error) == (ConflictError, "RouterInterfaceInUseByFloatingIP")
    routers.delete_floating(floating["id"])
    routers.remove_interface(router["id"], {"subnet_id": subnet["id"]})


def test_nothing_is_removed_that_is_in_use(
    networks: Networks, groups: SecurityGroups, routers: Routers
) -> None:
    subnet = subnet_of(networks)
    port = networks.create_port({"network_id": subnet["network_id"]})
    router = routers.create_router({})
    routers.add_interface(router["id"], {"subnet_id": subnet["id"]})
    for remove, id_ in (
        (networks.delete_network, subnet["network_id"]),
        (networks.delete_subnet, subnet["id"]),
        (routers.delete_router, router["id"]),
        (groups.delete, port["security_groups"][0]),
        (networks.delete_network, PUBLIC_ID),
    ):
        with pytest.raises(RequestError) as error:
            remove(id_)
        assert error.type is ConflictError


def test_everything_goes_in_the_reverse_order(
    networks: Networks, routers: Routers, wires: Wires
) -> None:
    subnet = subnet_of(networks)
    router = routers.create_router({"external_gateway_info": {"network_id": PUBLIC_ID}})
    routers.add_interface(router["id"], {"subnet_id": subnet["id"]})
    wires.calls.clear()
    routers.remove_interface(router["id"], {"subnet_id": subnet["id"]})
    routers.delete_router(router["id"])
    networks.delete_subnet(subnet["id"])
    networks.delete_network(subnet["network_id"])
    assert [call[0] for call in wires.calls] == [
        "remove_router_leg",
        "clear_router_gateway",
        "delete_router",
        "delete_network",
    ]


def test_what_is_gone_is_not_found(
    networks: Networks, groups: SecurityGroups, routers: Routers
) -> None:
    for remove in (
        networks.delete_network,
        networks.delete_subnet,
        networks.delete_port,
        routers.delete_router,
        routers.delete_floating,
        groups.delete,
    ):
        with pytest.raises(RequestError) as error:
            remove("1f7ac100-0000-4000-8000-00000000dead")
        assert error.type is NotFoundError


def test_a_security_group_shows_its_rules_and_refuses_a_second_of_a_kind(
    groups: SecurityGroups,
) -> None:
    group = groups.create({"name": "web"})
    rule = {"security_group_id": group["id"], "protocol": "tcp", "port_range_min": 80}
    groups.create_rule(rule)
    shown = groups.show(group)["security_group_rules"]
    assert sorted(r["direction"] for r in shown) == ["egress", "egress", "ingress"]
    with pytest.raises(RequestError) as error:
        groups.create_rule(rule)
    assert refusal(error) == (ConflictError, "SecurityGroupRuleExists")


def test_documents_outlive_the_process(tmp_path: Path, wires: Wires) -> None:
    first = Networks(Store(tmp_path / "cloud.sqlite"), wires, public_cidr="172.24.4.0/24")
    subnet = subnet_of(first)
    second = Networks(Store(tmp_path / "cloud.sqlite"), wires, public_cidr="172.24.4.0/24")
    assert second.require("subnet", subnet["id"]) == subnet


def test_what_fails_half_way_leaves_nothing(
    networks: Networks, routers: Routers, wires: Wires
) -> None:
    subnet = subnet_of(networks)
    own = networks.create_port({"network_id": subnet["network_id"]})
    router = routers.create_router({"external_gateway_info": {"network_id": PUBLIC_ID}})
    kinds = ("router", "port", "floatingip")
    before = {kind: networks.store.find(kind) for kind in kinds}
    wires.broken = True
    attempts: tuple[Callable[[], object], ...] = (
        lambda: routers.create_router({"external_gateway_info": {"network_id": PUBLIC_ID}}),
        lambda: routers.add_interface(router["id"], {"subnet_id": subnet["id"]}),
        lambda: routers.add_interface(router["id"], {"port_id": own["id"]}),
    )
    for attempt in attempts:
        with pytest.raises(CloudError):
            attempt()
    wish = {"floating_network_id": PUBLIC_ID, "port_id": own["id"]}
    with pytest.raises(RequestError):
        routers.create_floating(wish)
    assert {kind: networks.store.find(kind) for kind in kinds} == before
