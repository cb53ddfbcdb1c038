"""Stacks that Heat cannot delete are taken apart, but for what others have in them."""

from __future__ import annotations

import uuid
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


def test_a_port_that_nobody_uses_goes_with_its_network(
    near: Site, near_cloud: CloudUnderTest, name: str
) -> None:
    near.proxy.plan = Plan()
    with near.open() as cloud:
        stack_id, network = stand_up(cloud, name)
        port = near_cloud.connection.network.create_port(network_id=network)
        tear_down(cloud, name, stack_id)
        assert cloud.find_stack(stack_id) is None
    assert near_cloud.connection.network.find_port(port.id) is None


def test_a_router_that_somebody_has_put_in_goes_too(
    near: Site, near_cloud: CloudUnderTest, name: str
) -> None:
    near.proxy.plan = Plan()
    neutron: Any = near_cloud.connection.network
    with near.open() as cloud:
        stack_id, network = stand_up(cloud, name)
        router = neutron.create_router(name="somebody's")
        (subnet,) = neutron.subnets(network_id=network)
        neutron.add_interface_to_router(router, subnet=subnet.id)
        tear_down(cloud, name, stack_id)
        assert cloud.find_stack(stack_id) is None
    neutron.delete_router(router.id, ignore_missing=False)  # it is not ours, and stays


def test_what_others_have_in_it_is_named_and_stays(
    near: Site, near_cloud: CloudUnderTest, name: str
) -> None:
    near.proxy.plan = Plan()
    neutron: Any = near_cloud.connection.network
    with near.open() as cloud:
        stack_id, network = stand_up(cloud, name)
        port = neutron.create_port(
            network_id=network, device_id="somebody", device_owner="compute:nova"
        )
        with pytest.raises(RemainsError) as caught:
            tear_down(cloud, name, stack_id)
        error: CloudError = caught.value
        assert error.category == "delete"
        assert f"port ({port.id}) of server somebody" in caught.value.left
        assert f"network delete {network}" in str(error.hint)
        assert neutron.find_port(port.id) is not None
        neutron.delete_port(port.id)
        tear_down(cloud, name, stack_id)
        assert cloud.find_stack(stack_id) is None
