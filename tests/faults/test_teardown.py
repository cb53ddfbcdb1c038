"""Stacks that Heat cannot delete are taken apart, but for what others have in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from infraci.deadline import Deadline
from infraci.errors import CloudError
from infraci.heat import Cloud, Mark
from infraci.pipeline.removal import RemainsError, remove
from infraci.templates import StackRequest
from tests.clouds import CloudUnderTest
from tests.faults.lab import TEMPLATE, Site
from tests.faults.proxy import Plan

pytestmark = pytest.mark.cloud


@pytest.fixture
def name() -> str:
    return f"infraci-parts-{uuid.uuid4().hex[:8]}"


def stand_up(cloud: Cloud, name: str) -> tuple[str, str]:
    """A stack, and the id of its network."""
    template = {**TEMPLATE, "parameters": {}}
    stack_id = cloud.create_stack(StackRequest(template=template), name=name, timeout_s=60)
    cloud.wait(stack_id, deadline=Deadline(60))
    return stack_id, str(cloud.outputs(stack_id)["net"])


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
    near: Site,
    near_cloud: CloudUnderTest,
    name: str,
    put: Callable[[Any, str], tuple[str, Callable[[], object]]],
) -> None:
    near.proxy.plan = Plan()
    neutron: Any = near_cloud.connection.network
    with near.open() as cloud:
        stack_id, network = stand_up(cloud, name)
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
