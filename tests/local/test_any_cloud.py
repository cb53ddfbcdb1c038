"""Heat's validation for clouds that are not asked: all types and properties; nothing is made."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from openstack.connection import Connection

from tests.local.conftest import hot, refusal, resource


def ask(cloud: Connection, path: str, template: Mapping[str, object]) -> tuple[int, str]:
    """Post to Heat as it validates for any cloud; the status, and its reason."""
    url = str(cloud.orchestration.get_endpoint()).replace("/orchestration/", "/any-cloud/")
    answer = cloud.session.post(
        f"{url}{path}",
        json={"stack_name": "any", "template": template, "files": {}, "environment": {}},
        raise_exc=False,
    )
    message = "" if answer.ok else answer.text
    return answer.status_code, message


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("OS::Cinder::Volume", {"size": 1, "image": "none", "volume_type": "fast"}),
        ("OS::Octavia::LoadBalancer", {"vip_subnet": "x"}),
        ("OS::Mistral::CronTrigger", {"pattern": "* * * * *", "workflow": {"name": "x"}}),
        ("OS::Zaqar::Queue", {"name": "x"}),
        ("OS::Nova::Server", {"image": "none", "flavor": "none", "availability_zone": "x"}),
        ("OS::Neutron::RouterInterface", {"router": "none", "subnet": "none"}),
        ("OS::Nova::ServerGroup", {"policies": ["affinity"], "rules": {"max_server_per_host": 1}}),
        ("OS::Heat::ResourceGroup", {"resource_def": {"type": "OS::Zaqar::Queue"}}),
    ],
)
def test_heats_own_types_and_what_the_cloud_may_have_are_right(
    cloud: Connection, type_: str, properties: dict[str, object]
) -> None:
    template = hot({"it": resource(type_, **properties)})
    assert ask(cloud, "/stacks/preview", template) == (200, "")
    assert refusal(cloud, template) != ""  # on the embedded cloud itself


@pytest.mark.parametrize(
    ("type_", "properties", "reason"),
    [
        ("OS::Nova::Server", {"flavour": "x"}, "Unknown Property flavour"),
        ("OS::Cinder::Volume", {"size": "large"}, "is not an integer"),
        ("OS::Foo::Bar", {}, "OS::Foo::Bar"),
        (
            "AWS::AutoScaling::AutoScalingGroup",  # like a server that exists already
            {"InstanceId": "x", "MinSize": "1", "MaxSize": "1", "AvailabilityZones": ["nova"]},
            "Heat has to ask the cloud itself about it",
        ),
    ],
)
def test_what_is_wrong_on_every_cloud_is_refused(
    cloud: Connection, type_: str, properties: dict[str, object], reason: str
) -> None:
    status, message = ask(cloud, "/stacks/preview", hot({"it": resource(type_, **properties)}))
    assert status >= 400
    assert reason in json.loads(message)["error"]["message"]


def test_nothing_is_made_there(cloud: Connection) -> None:
    template = hot({"it": resource("OS::Heat::None")})
    assert ask(cloud, "/stacks", template)[0] == 403
    assert list(cloud.orchestration.stacks()) == []


def test_the_embedded_cloud_goes_on_refusing(cloud: Connection) -> None:
    template = hot({"it": resource("OS::Zaqar::Queue", name="x")})
    ask(cloud, "/stacks/preview", template)
    assert "OS::Zaqar::Queue" in refusal(cloud, template)
