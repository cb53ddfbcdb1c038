"""Stacks that Heat cannot delete are taken apart, but for what others have in them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.errors import CloudError
from infraci.heat import Cloud, Mark
from infraci.pipeline.destroy_phase import RemainsError, remove
from infraci.templates import StackRequest
from tests.clouds import CloudUnderTest
from tests.faults.fakes import TEMPLATE, ProxiedCloud
from tests.faults.proxy import Plan

pytestmark = pytest.mark.cloud


@pytest.fixture
def name() -> str:
    return f"infraci-parts-{uuid.uuid4().hex[:8]}"


#: The same with a router to the external network.
ROUTED = {
    **TEMPLATE,
    "parameters": {},
    "resources": {
        **TEMPLATE["resources"],  # type: ignore[dict-item]
        "router": {
            "type": "OS::Neutron::Router",
            "properties": {"external_gateway_info": {"network": "public"}},
        },
        "leg": {
            "type": "OS::Neutron::RouterInterface",
            "properties": {
                "router": {"get_resource": "router"},
                "subnet": {"get_resource": "subnet"},
            },
        },
    },
}


def stand_up(cloud: Cloud, name: str, template: Mapping[str, Any]) -> str:
    """Make a stack; returns its id."""
    stack_id = cloud.create_stack(StackRequest(template=template), name=name, timeout_s=60)
    cloud.wait(stack_id, deadline=Deadline(60))
    return stack_id


def tear_down(cloud: Cloud, name: str, stack_id: str) -> None:
    remove(
        Mark(name=name),
        stack=stack_id,
        cloud=cloud,
        deadline=Deadline(60),
        on_event=lambda *_: None,
    )


def _unbound_port(neutron: Any, network: str) -> tuple[str, Callable[[], object]]:
    """A port that no server has; returns its id, and what removes it."""
    port = neutron.create_port(network_id=network)
    return port.id, lambda: neutron.delete_port(port.id)


def _port_of_a_server(neutron: Any, network: str) -> tuple[str, Callable[[], object]]:
    port = neutron.create_port(
        network_id=network, device_id="somebody", device_owner="compute:nova"
    )
    return port.id, lambda: neutron.delete_port(port.id)


def _router_leg(neutron: Any, network: str) -> tuple[str, Callable[[], object]]:
    router = neutron.create_router(name="somebody's")
    (subnet,) = neutron.subnets(network_id=network)
    leg = neutron.add_interface_to_router(router, subnet=subnet.id)

    def take_away() -> None:
        neutron.remove_interface_from_router(router, subnet=subnet.id)
        neutron.delete_router(router.id, ignore_missing=False)

    return leg["port_id"], take_away


@pytest.mark.parametrize("put", [_unbound_port, _port_of_a_server, _router_leg])
def test_what_others_have_in_it_is_named_and_stays(
    near: ProxiedCloud,
    near_cloud: CloudUnderTest,
    name: str,
    put: Callable[[Any, str], tuple[str, Callable[[], object]]],
) -> None:
    near.proxy.plan = Plan()
    neutron: Any = near_cloud.connection.network
    with near.open() as cloud:
        stack_id = stand_up(cloud, name, {**TEMPLATE, "parameters": {}})
        network = str(cloud.outputs(stack_id)["net"])
        port_id, take_away = put(neutron, network)
        with pytest.raises(RemainsError) as caught:
            tear_down(cloud, name, stack_id)
        error: CloudError = caught.value
        assert error.category == "delete"
        assert any(f"({port_id})" in left for left in caught.value.left), caught.value.left
        assert port_id in str(error.hint).partition("remove it by this")[2]
        assert neutron.find_port(port_id) is not None
        take_away()
        tear_down(cloud, name, stack_id)
        assert cloud.find_stack(stack_id) is None


@contextmanager
def _their_network(neutron: Any) -> Iterator[tuple[str, str]]:
    """Somebody's network, and its subnet."""
    network = neutron.create_network(name="somebody-elses")
    subnet = neutron.create_subnet(network_id=network.id, ip_version=4, cidr="10.99.0.0/24")
    yield network.id, subnet.id
    neutron.delete_network(network.id, ignore_missing=False)


@contextmanager
def _their_floating_ip(neutron: Any, port_id: str) -> Iterator[None]:
    """Somebody's floating IP on a port, which keeps its address when it is out of the way."""
    (public,) = neutron.networks(is_router_external=True)
    made = neutron.create_ip(floating_network_id=public.id, port_id=port_id)
    yield
    assert neutron.get_ip(made.id).port_id is None
    neutron.delete_ip(made.id)


@contextmanager
def _floating_ip_in_our_network(neutron: Any, ours: Mapping[str, str]) -> Iterator[None]:
    port = neutron.create_port(network_id=ours["OS::Neutron::Net"])
    with _their_floating_ip(neutron, port.id):
        yield
    assert neutron.find_port(port.id) is None


@contextmanager
def _floating_ip_through_our_router(neutron: Any, ours: Mapping[str, str]) -> Iterator[None]:
    with _their_network(neutron) as (network, subnet):
        neutron.add_interface_to_router(ours["OS::Neutron::Router"], subnet=subnet)
        port = neutron.create_port(network_id=network)
        with _their_floating_ip(neutron, port.id):
            yield
        neutron.delete_port(port.id, ignore_missing=False)


@contextmanager
def _floating_ip_through_their_router(neutron: Any, ours: Mapping[str, str]) -> Iterator[None]:
    (public,) = neutron.networks(is_router_external=True)
    router = neutron.create_router(external_gateway_info={"network_id": public.id})
    leg = neutron.create_port(network_id=ours["OS::Neutron::Net"])
    neutron.add_interface_to_router(router, port=leg.id)
    neutron.remove_interface_from_router(
        ours["OS::Neutron::Router"], subnet=ours["OS::Neutron::Subnet"]
    )
    port = neutron.create_port(network_id=ours["OS::Neutron::Net"])
    with _their_floating_ip(neutron, port.id):
        yield
    neutron.delete_router(router.id, ignore_missing=False)


@contextmanager
def _port_in_our_group(neutron: Any, ours: Mapping[str, str]) -> Iterator[None]:
    with _their_network(neutron) as (network, _):
        group = ours["OS::Neutron::SecurityGroup"]
        port = neutron.create_port(network_id=network, security_groups=[group])
        yield
        assert neutron.get_port(port.id).security_group_ids == []
        neutron.delete_port(port.id, ignore_missing=False)


@pytest.mark.parametrize(
    "put",
    [
        _floating_ip_in_our_network,
        _floating_ip_through_our_router,
        _floating_ip_through_their_router,
        _port_in_our_group,
    ],
)
def test_the_commands_take_what_is_others_out_of_the_way(
    near: ProxiedCloud,
    near_cloud: CloudUnderTest,
    name: str,
    put: Callable[[Any, Mapping[str, str]], Any],
) -> None:
    near.proxy.plan = Plan()
    with near.open() as cloud:
        stack_id = stand_up(cloud, name, ROUTED)
        ours = {made.kind: made.id for made in cloud.resource_references(stack_id)}
        with put(near_cloud.connection.network, ours):
            with pytest.raises(RemainsError) as caught:
                tear_down(cloud, name, stack_id)
            assert caught.value.category == "delete"
            first, *commands = str(caught.value.hint).splitlines()
            assert first.startswith("in the way is "), first
            for command in commands:
                subprocess.run(command, shell=True, env=near_cloud.environment, check=True)
            tear_down(cloud, name, stack_id)
            assert cloud.find_stack(stack_id) is None
