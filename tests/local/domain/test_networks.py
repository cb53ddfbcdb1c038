"""Neutron's rules, as our networks keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from infraci.errors import CloudError
from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.record import Record
from infraci.local.domain.records import (
    FloatingIp,
    Network,
    Pool,
    Port,
    Router,
    Subnet,
)
from infraci.local.domain.requests import AddressRequest, GatewayRequest
from infraci.local.domain.routers import Routers
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError, RequestError
from infraci.local.host.port_filter import NetworkFilter


class RecordedWiring:
    """Records the calls to the host."""

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

    def guard_network(self, network_id: str, network: NetworkFilter) -> bool:
        self.note("guard_network", network)
        return True

    def create_router(self, router_id: str) -> None:
        self.note("create_router")

    def delete_router(self, router_id: str) -> None:
        self.note("delete_router")

    def router(self, router_id: str) -> RecordedWiring:
        return self

    def add_leg(self, network_id: str, mac: str, *addresses: str, mtu: int) -> None:
        self.note("add_leg", *addresses)

    def remove_leg(self, network_id: str, address: str) -> None:
        self.note("remove_leg", address)

    def set_routes(self, routes: Mapping[str, Sequence[str]]) -> None:
        if routes:
            self.note("set_routes", dict(routes))

    def set_gateway(self, address: str, *, snat: bool) -> None:
        self.note("set_gateway", address, snat)

    def clear_gateway(self) -> None:
        self.note("clear_gateway")

    def add_floating(self, floating: str, fixed: str) -> None:
        self.note("add_floating", floating, fixed)

    def remove_floating(self, floating: str) -> None:
        self.note("remove_floating", floating)


@pytest.fixture
def wires() -> RecordedWiring:
    return RecordedWiring()


@pytest.fixture
def networks(wires: RecordedWiring) -> Networks:
    return Networks(Store(), wires, public_cidr="172.24.4.0/24")


@pytest.fixture
def routers(networks: Networks, wires: RecordedWiring) -> Routers:
    return Routers(networks.store, networks, wires)


@pytest.fixture
def groups(networks: Networks) -> SecurityGroups:
    return networks.groups


PUBLIC_GATEWAY = GatewayRequest(network_id=PUBLIC_ID)


def subnet_of(
    networks: Networks, cidr: str = "10.0.0.0/24", *, pools: tuple[Pool, ...] = ()
) -> Subnet:
    network = networks.create_network(Network(name="n"))
    return networks.subnets.create(Subnet(network_id=network.id, cidr=cidr, allocation_pools=pools))


def port_of(networks: Networks, subnet: Subnet, address: str | None = None) -> Port:
    addresses = [AddressRequest(ip_address=address)] if address else None
    return networks.create_port(Port(network_id=subnet.network_id), addresses=addresses)


def refusal(error: pytest.ExceptionInfo[RequestError]) -> tuple[type[RequestError], str]:
    return error.type, error.value.neutron_type


def test_addresses_are_given_in_order_and_leave_the_gateway_out(networks: Networks) -> None:
    subnet = subnet_of(networks, "10.0.0.0/29")
    ports = [port_of(networks, subnet) for _ in range(5)]
    addresses = [port.fixed_ips[0].ip_address for port in ports]
    assert addresses == ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]
    with pytest.raises(RequestError) as error:
        port_of(networks, subnet)
    assert refusal(error) == (ConflictError, "IpAddressGenerationFailure")


def test_an_address_is_given_once(networks: Networks) -> None:
    subnet = subnet_of(networks)
    port_of(networks, subnet, "10.0.0.9")
    with pytest.raises(RequestError) as error:
        port_of(networks, subnet, "10.0.0.9")
    assert refusal(error) == (ConflictError, "IpAddressAlreadyAllocated")


def test_an_address_outside_of_the_network_is_refused(networks: Networks) -> None:
    subnet = subnet_of(networks)
    with pytest.raises(RequestError) as error:
        port_of(networks, subnet, "10.9.0.9")
    assert refusal(error) == (InvalidRequestError, "InvalidIpForNetwork")


def test_allocation_pools_are_kept_to(networks: Networks) -> None:
    subnet = subnet_of(networks, pools=(Pool(start="10.0.0.100", end="10.0.0.101"),))
    port = port_of(networks, subnet)
    assert port.fixed_ips[0].ip_address == "10.0.0.100"


def test_subnets_of_one_network_may_not_overlap_but_those_of_two_may(networks: Networks) -> None:
    subnet = subnet_of(networks, "10.0.0.0/16")
    with pytest.raises(RequestError) as error:
        networks.subnets.create(Subnet(network_id=subnet.network_id, cidr="10.0.1.0/24"))
    assert refusal(error) == (InvalidRequestError, "InvalidInput")
    assert subnet_of(networks, "10.0.0.0/16").cidr == "10.0.0.0/16"


def test_subnets_of_one_router_may_not_overlap(networks: Networks, routers: Routers) -> None:
    router, other = routers.create_router(Router()), routers.create_router(Router())
    first, second = subnet_of(networks, "10.0.0.0/16"), subnet_of(networks, "10.0.1.0/24")
    routers.add_subnet(router.id, first.id)
    port = port_of(networks, second)
    for add, id_ in ((routers.add_subnet, second.id), (routers.add_port, port.id)):
        with pytest.raises(RequestError) as error:
            add(router.id, id_)
        assert refusal(error) == (InvalidRequestError, "BadRequest")
        assert error.value.message.startswith("Bad router request: Cidr 10.0.1.0/24 of subnet ")
    assert routers.add_subnet(other.id, second.id).device_id == other.id


@pytest.mark.parametrize("cidr", ["fd00::/64", "ten", None])
def test_what_is_no_cidr_of_its_version_is_refused(networks: Networks, cidr: str | None) -> None:
    with pytest.raises(RequestError) as error:
        subnet_of(networks, cidr)  # type: ignore[arg-type]
    assert error.type is InvalidRequestError


def test_a_floating_ip_needs_a_router_to_the_outside(
    networks: Networks, routers: Routers, wires: RecordedWiring
) -> None:
    subnet = subnet_of(networks)
    port = port_of(networks, subnet)
    floating = routers.create_floating(FloatingIp(floating_network_id=PUBLIC_ID))
    with pytest.raises(RequestError) as error:
        routers.associate(floating.id, port.id)
    assert refusal(error) == (NotFoundError, "ExternalGatewayForFloatingIPNotFound")

    router = routers.create_router(Router(), PUBLIC_GATEWAY)
    routers.add_subnet(router.id, subnet.id)
    floating = routers.associate(floating.id, port.id)
    assert floating.status == "ACTIVE"
    assert wires.calls[-1] == ("add_floating", "172.24.4.2", "10.0.0.2")


def test_a_router_interface_stays_while_a_floating_ip_needs_it(
    networks: Networks, routers: Routers
) -> None:
    subnet = subnet_of(networks)
    port = port_of(networks, subnet)
    router = routers.create_router(Router(), PUBLIC_GATEWAY)
    routers.add_subnet(router.id, subnet.id)
    floating = routers.create_floating(FloatingIp(floating_network_id=PUBLIC_ID, port_id=port.id))
    with pytest.raises(RequestError) as error:
        routers.remove_interface(router.id, subnet_id=subnet.id)
    assert refusal(error) == (ConflictError, "RouterInterfaceInUseByFloatingIP")
    routers.delete_floating(floating.id)
    routers.remove_interface(router.id, subnet_id=subnet.id)


def test_nothing_is_removed_that_is_in_use(
    networks: Networks, groups: SecurityGroups, routers: Routers
) -> None:
    subnet = subnet_of(networks)
    port = port_of(networks, subnet)
    router = routers.create_router(Router())
    routers.add_subnet(router.id, subnet.id)
    for remove, id_ in (
        (networks.delete_network, subnet.network_id),
        (networks.subnets.delete, subnet.id),
        (routers.delete_router, router.id),
        (groups.delete, port.security_groups[0]),
        (networks.delete_network, PUBLIC_ID),
    ):
        with pytest.raises(RequestError) as error:
            remove(id_)
        assert error.type is ConflictError


def test_everything_goes_in_the_reverse_order(
    networks: Networks, routers: Routers, wires: RecordedWiring
) -> None:
    subnet = subnet_of(networks)
    router = routers.create_router(Router(), PUBLIC_GATEWAY)
    routers.add_subnet(router.id, subnet.id)
    wires.calls.clear()
    routers.remove_interface(router.id, subnet_id=subnet.id)
    routers.delete_router(router.id)
    networks.subnets.delete(subnet.id)
    networks.delete_network(subnet.network_id)
    assert [call[0] for call in wires.calls] == [
        "remove_leg",
        "clear_gateway",
        "delete_router",
        "delete_network",
    ]


def test_what_is_gone_is_not_found(
    networks: Networks, groups: SecurityGroups, routers: Routers
) -> None:
    for remove in (
        networks.delete_network,
        networks.subnets.delete,
        networks.delete_port,
        routers.delete_router,
        routers.delete_floating,
        groups.delete,
    ):
        with pytest.raises(RequestError) as error:
            remove("1f7ac100-0000-4000-8000-00000000dead")
        assert error.type is NotFoundError


def test_records_outlive_the_process(tmp_path: Path, wires: RecordedWiring) -> None:
    first = Networks(Store(tmp_path / "cloud.sqlite"), wires, public_cidr="172.24.4.0/24")
    subnet = subnet_of(first)
    second = Networks(Store(tmp_path / "cloud.sqlite"), wires, public_cidr="172.24.4.0/24")
    assert second.require(Subnet, subnet.id) == subnet


def test_what_fails_half_way_leaves_nothing(
    networks: Networks, routers: Routers, wires: RecordedWiring
) -> None:
    subnet = subnet_of(networks)
    own = port_of(networks, subnet)
    router = routers.create_router(Router(), PUBLIC_GATEWAY)

    def everything() -> list[Record]:
        store = networks.store
        return [*store.find(Router), *store.find(Port), *store.find(FloatingIp)]

    before = everything()
    wires.broken = True
    attempts: tuple[Callable[[], object], ...] = (
        lambda: routers.create_router(Router(), PUBLIC_GATEWAY),
        lambda: routers.add_subnet(router.id, subnet.id),
        lambda: routers.add_port(router.id, own.id),
    )
    for attempt in attempts:
        with pytest.raises(CloudError):
            attempt()
    with pytest.raises(RequestError):
        routers.create_floating(FloatingIp(floating_network_id=PUBLIC_ID, port_id=own.id))
    assert everything() == before
