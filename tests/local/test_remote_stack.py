"""OS::Heat::Stack: a stack that a stack makes by the API, as in another region of the cloud."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from infraci.heat import Cloud
from tests.local.conftest import create, hot, refusal, resource, settled, until

pytestmark = pytest.mark.cloud


def inner(name: str) -> str:
    word = resource("OS::Heat::Value", value={"get_param": "word"})
    return json.dumps(
        hot(
            {"net": resource("OS::Neutron::Net", name=name), "value": word},
            parameters={"word": {"type": "string"}},
            outputs={"net": {"value": {"get_resource": "net"}}},
        )
    )


def remote(name: str, **properties: Any) -> dict[str, Any]:
    return resource("OS::Heat::Stack", template=inner(name), parameters={"word": "x"}, **properties)


def networks(cloud: Connection) -> set[str]:
    return {network.name for network in cloud.network.networks()} - {"public"}


def test_a_stack_of_a_stack(cloud: Connection, state: Path) -> None:
    output = {"net": {"value": {"get_attr": ["there", "outputs", "net"]}}}
    stack = create(cloud, "outer", hot({"there": remote("one")}, outputs=output))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (network,) = cloud.network.networks(name="one")
    assert stack.outputs[0]["output_value"] == network.id
    assert len(list(cloud.orchestration.stacks())) == 2
    with Cloud.connect("local", clouds_yaml=state / "clouds.yaml") as heat:
        paths = {each.path: each.type for each in heat.resources(stack.id)}
    assert paths == {
        "there": "OS::Heat::Stack",
        "there.net": "OS::Neutron::Net",
        "there.value": "OS::Heat::Value",
    }
    cloud.orchestration.update_stack(stack, template=hot({"there": remote("two")}))
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    assert networks(cloud) == {"two"}
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert networks(cloud) == set()


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({"region_name": "elsewhere"}, "elsewhere"),
        ({"region_name": "local", "credential_secret_id": "x"}, "credential_secret_id"),
    ],
)
def test_another_cloud_is_refused(cloud: Connection, context: dict[str, str], named: str) -> None:
    assert named in refusal(cloud, hot({"there": remote("one", context=context)}))
