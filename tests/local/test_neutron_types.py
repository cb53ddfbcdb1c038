"""Types of Neutron's on the embedded cloud: quality of service, subnet pools, what is shared."""

from __future__ import annotations

import pytest
from openstack.connection import Connection

from tests.local.conftest import create, hot, refusal, resource, settled
from tests.local.test_cloud import outputs

pytestmark = pytest.mark.cloud


def reference(name: str) -> dict[str, str]:
    return {"get_resource": name}


def test_policies_for_the_quality_of_service(cloud: Connection) -> None:
    def template(kbps: int) -> dict[str, object]:
        policy = reference("policy")
        return hot(
            {
                "policy": resource("OS::Neutron::QoSPolicy", name="slow"),
                "limit": resource(
                    "OS::Neutron::QoSBandwidthLimitRule", policy=policy, max_kbps=kbps
                ),
                "mark": resource("OS::Neutron::QoSDscpMarkingRule", policy=policy, dscp_mark=10),
                "net": resource("OS::Neutron::Net", qos_policy=policy),
                "port": resource("OS::Neutron::Port", network=reference("net"), qos_policy=policy),
            },
            outputs={
                "rules": {"value": {"get_attr": ["policy", "rules"]}},
                "net": {"value": {"get_attr": ["net", "qos_policy_id"]}},
                "policy": {"value": policy},
            },
        )

    stack = create(cloud, "quality", template(1000))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack)["net"] == outputs(stack)["policy"]
    cloud.orchestration.update_stack(stack, template=template(2000), parameters={})
    stack = settled(cloud, stack.id)
    assert stack.status == "UPDATE_COMPLETE", stack.status_reason
    limit, mark = outputs(stack)["rules"]
    assert (limit["type"], limit["max_kbps"], mark["dscp_mark"]) == ("bandwidth_limit", 2000, 10)


def test_subnet_pools_and_what_is_shared(cloud: Connection) -> None:
    resources = {
        "scope": resource("OS::Neutron::AddressScope", ip_version=4),
        "pool": resource(
            "OS::Neutron::SubnetPool",
            prefixes=["10.70.0.0/16"],
            default_prefixlen=24,
            address_scope=reference("scope"),
        ),
        "net": resource("OS::Neutron::Net"),
        "one": resource(
            "OS::Neutron::Subnet", network=reference("net"), subnetpool=reference("pool")
        ),
        "two": {
            **resource(
                "OS::Neutron::Subnet",
                network=reference("net"),
                subnetpool=reference("pool"),
                prefixlen=26,
            ),
            "depends_on": "one",
        },
        "shared": resource(
            "OS::Neutron::RBACPolicy",
            object_type="network",
            object_id=reference("net"),
            action="access_as_shared",
            target_tenant="somebody",
        ),
    }
    shown = {name: {"value": {"get_attr": [name, "cidr"]}} for name in ("one", "two")}
    stack = create(cloud, "pools", hot(resources, outputs=shown))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack) == {"one": "10.70.0.0/24", "two": "10.70.1.0/26"}


@pytest.mark.parametrize(
    ("type_", "properties", "reason"),
    [
        ("OS::Neutron::Trunk", {"port": "x"}, "a network card is in one network"),
        ("OS::Neutron::PortPair", {"ingress": "x", "egress": "y"}, "no chains of services"),
        ("OS::Neutron::VPNService", {"router": "x", "subnet": "y"}, "no virtual private networks"),
        (
            "OS::Neutron::QoSMinimumBandwidthRule",
            {"policy": "x", "min_kbps": 1},
            "can guarantee no bandwidth",
        ),
    ],
)
def test_a_type_is_refused_with_its_reason(
    cloud: Connection, type_: str, properties: dict[str, object], reason: str
) -> None:
    message = refusal(cloud, hot({"it": resource(type_, **properties)}))
    assert type_ in message
    assert reason in message
