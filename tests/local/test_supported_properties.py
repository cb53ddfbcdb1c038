"""What the embedded cloud can't honour is refused by name, before anything is created."""

from __future__ import annotations

from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import BadRequestException

from infraci.heat.stacks import HIDDEN_AND_WORKING
from infraci.local.supported_properties import (
    AWS_TYPES,
    KEPT,
    KEPT_TYPES,
    OWN_TYPES,
    PROPERTIES,
    VALUES,
)
from tests.local.conftest import create, hot, network, refusal, resource, server


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("OS::Cinder::QoSSpecs", {"specs": {}}),
        ("OS::Zaqar::Queue", {"name": "x"}),
        ("OS::Neutron::QoSMinimumBandwidthRule", {"policy": "x", "min_kbps": 1}),
        ("OS::Neutron::Trunk", {"port": "x"}),
        ("OS::Nova::Quota", {"project": "x"}),
        ("AWS::ElasticLoadBalancing::LoadBalancer", {"AvailabilityZones": ["nova"]}),
        ("OS::Foo::Bar", {}),
    ],
)
def test_types(cloud: Connection, type_: str, properties: dict[str, object]) -> None:
    assert type_ in refusal(cloud, hot({"it": resource(type_, **properties)}))


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"block_device_mapping_v2": [{"ephemeral_size": 1}]}, "ephemeral_size"),
        ({"reservation_id": "x"}, "reservation_id"),
        ({"software_config_transport": "ZAQAR_MESSAGE"}, "ZAQAR_MESSAGE"),
        ({"flavour": "m1.small"}, "flavour"),
        ({"key_name": "nobody's"}, "nobody's"),
    ],
)
def test_properties_of_a_server(
    cloud: Connection, properties: dict[str, object], named: str
) -> None:
    reason = refusal(cloud, hot({"web": server(**properties)}))
    assert "resources.web" in reason
    assert named in reason


@pytest.mark.parametrize(
    ("type_", "properties", "named"),
    [
        ("OS::Neutron::Net", {"admin_state_up": False}, "admin_state_up"),
        ("OS::Neutron::Net", {"dhcp_agent_ids": ["x"]}, "dhcp_agent_ids"),
        (
            "OS::Neutron::Subnet",
            {
                "network": "public",
                "cidr": "fd00::/64",
                "ip_version": 6,
                "ipv6_ra_mode": "slaac",
                "ipv6_address_mode": "dhcpv6-stateful",
            },
            "they must be equal",
        ),
        ("OS::Neutron::Port", {"network": "public", "qos_policy": "absent"}, "absent"),
        ("OS::Neutron::Port", {"network": "public", "binding:vnic_type": "direct"}, "direct"),
        ("OS::Nova::KeyPair", {"name": "x", "type": "x509"}, "type"),
    ],
)
def test_properties_of_others(
    cloud: Connection, type_: str, properties: dict[str, object], named: str
) -> None:
    assert named in refusal(cloud, hot({"it": resource(type_, **properties)}))


def test_also_within_a_group(cloud: Connection) -> None:
    group = resource("OS::Heat::ResourceGroup", count=2, resource_def=server(reservation_id="x"))
    assert "reservation_id" in refusal(cloud, hot({"group": group}))


def test_an_image_or_flavor_that_is_not_there(cloud: Connection) -> None:
    assert "debian-99" in refusal(
        cloud, hot({"web": resource("OS::Nova::Server", image="debian-99", flavor="m1.tiny")})
    )
    assert "huge" in refusal(
        cloud, hot({"web": resource("OS::Nova::Server", image="debian-12", flavor="huge")})
    )


def test_an_oci_reference_is_an_image(cloud: Connection) -> None:
    image = "registry.example/systemd:1"
    template = hot({"web": resource("OS::Nova::Server", image=image, flavor="m1.tiny")})
    assert refusal(cloud, template) == ""


def test_what_is_honoured_is_accepted(cloud: Connection) -> None:
    router = resource("OS::Neutron::Router", external_gateway_info={"network": "public"})
    template = hot(
        {
            **network(dns_nameservers=["192.0.2.53"], enable_dhcp=False),
            "router": router,
            "web": server(
                name="web",
                metadata={"role": "web"},
                config_drive=True,
                networks=[{"network": {"get_resource": "net"}, "fixed_ip": "10.0.0.9"}],
                user_data_format="RAW",
                user_data="#cloud-config\n",
            ),
            "key": resource("OS::Nova::KeyPair", name="key", save_private_key=True),
            "group": resource("OS::Neutron::SecurityGroup", rules=[{"protocol": "icmp"}]),
            "word": resource("OS::Heat::RandomString", length=8),
        }
    )
    assert refusal(cloud, template) == ""


def test_the_tables_name_types_and_properties_that_heat_has(cloud: Connection) -> None:
    known = {
        entry["resource_type"] if isinstance(entry, dict) else entry
        for entry in cloud.orchestration.get("/resource_types").json()["resource_types"]
    }
    assert (
        known
        >= (OWN_TYPES | AWS_TYPES | KEPT_TYPES.keys() | PROPERTIES.keys()) - HIDDEN_AND_WORKING
    )
    for type_ in PROPERTIES.keys() - HIDDEN_AND_WORKING:
        properties = PROPERTIES[type_] | KEPT.get(type_, {}).keys()
        schema = cloud.orchestration.get(f"/resource_types/{type_}").json()["properties"]
        hidden = {"network_id", "router_id", "subnet_id", "port_id", "imageRef"}
        hidden |= {"floating_network_id"}
        names = {name for name in properties if "." not in name} - hidden
        assert names - schema.keys() - {"replacement_policy", "admin_user"} == set()
        for honoured_type, path in VALUES:
            if honoured_type == type_:
                assert path in schema


def test_heat_offers_only_what_is_honoured(cloud: Connection) -> None:
    offered = {
        entry["resource_type"] if isinstance(entry, dict) else entry
        for entry in cloud.orchestration.get("/resource_types").json()["resource_types"]
    }
    assert offered <= OWN_TYPES | AWS_TYPES | KEPT_TYPES.keys() | PROPERTIES.keys()


@pytest.mark.parametrize(
    ("type_", "advice"),
    [
        ("OS::Neutron::Pool", "octavia"),
        ("OS::Neutron::LBaaS::LoadBalancer", "octavia"),
        ("OS::Designate::Domain", "OS::Designate::Zone"),
        ("OS::Sahara::ClusterTemplate", "Sahara project was marked inactive"),
    ],
)
def test_a_retired_type_is_no_placeholder(cloud: Connection, type_: str, advice: str) -> None:
    reason = refusal(cloud, hot({"it": resource(type_, anything="x")}))
    assert f"{type_}, reason: it is retired. " in reason
    assert advice in reason


def test_a_reason_why_a_type_is_refused(cloud: Connection) -> None:
    image = {"location": "http://x.test/i", "disk_format": "raw", "container_format": "bare"}
    template = hot({"it": resource("OS::Glance::WebImage", **image)})
    assert "loads none from a URL" in refusal(cloud, template)


@pytest.mark.parametrize("constraint", ["barbican.secret", "trove.flavor", "mistral.workflow"])
def test_a_constraint_that_asks_a_service_which_is_not_here(
    cloud: Connection, constraint: str
) -> None:
    rules = {"type": "string", "default": "x", "constraints": [{"custom_constraint": constraint}]}
    template = hot({"net": resource("OS::Neutron::Net")}, parameters={"it": rules})
    reason = refusal(cloud, template)
    assert f"the embedded cloud has no {constraint.partition('.')[0]} that could know it" in reason


def test_resources_that_do_nothing_may_be_asked_for(cloud: Connection) -> None:
    stack = create(cloud, "none", hot({"it": resource("OS::Heat::None", anything="x")}))
    assert stack.status == "CREATE_COMPLETE"


LARGE = "x" * 256


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"user_data": "x" * 65536}, "user_data"),
        ({"name": LARGE}, "name"),
        ({"metadata": {"a": LARGE}}, "metadata"),
        ({"metadata": {LARGE: "a"}}, "metadata"),
        ({"metadata": dict.fromkeys(map(str, range(129)), "")}, "metadata items exceeds 128"),
        ({"tags": ["x" * 61]}, "tags"),
    ],
)
def test_nova_refuses_what_is_too_large(
    cloud: Connection, properties: dict[str, Any], named: str
) -> None:
    (flavor, *_) = cloud.compute.flavors()
    (image, *_) = cloud.image.images()
    options = {"name": "web", "flavorRef": flavor.id, "imageRef": image.id, **properties}
    answer = cloud.compute.post(
        "/servers", json={"server": options}, microversion="2.60", raise_exc=False
    )
    assert answer.status_code in (400, 403)
    assert named in answer.text
    assert not list(cloud.compute.servers())


def test_neutron_refuses_a_name_that_is_too_long(cloud: Connection) -> None:
    with pytest.raises(BadRequestException, match="Invalid input for name"):
        cloud.network.create_network(name=LARGE)
