"""What published templates ask for: no networks at all, older types, groups and zones."""

from __future__ import annotations

from typing import Any

import pytest
from openstack.connection import Connection

from infraci.local.domain.project_network import NAME
from tests.local.conftest import create, hot, network, resource, server, until

pytestmark = pytest.mark.cloud


def networks_of(cloud: Connection, name: str) -> list[str]:
    """Return the names of the networks that the server of a name is in."""
    (match,) = [s for s in cloud.compute.servers() if s.name == name]
    return list(match.addresses)


def deleted(cloud: Connection, stack: Any) -> None:
    """Delete a stack, and wait until it is gone."""
    cloud.orchestration.delete_stack(stack)
    until(lambda: stack.id not in [s.id for s in cloud.orchestration.stacks()])


def test_a_server_without_networks_gets_its_own_stacks(cloud: Connection) -> None:
    """Networks of other stacks do not count, which are other runs' on this machine."""
    other = create(cloud, "other", hot(network("10.0.9.0/24")))
    ours = {"net": resource("OS::Neutron::Net", name="ours")}
    web = {**server(name="web"), "depends_on": "subnet"}
    stack = create(cloud, "mine", hot({**network(), **ours, "web": web}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert networks_of(cloud, "web") == ["ours"]
    deleted(cloud, stack)
    deleted(cloud, other)


def test_where_there_is_no_network_the_cloud_makes_one(cloud: Connection) -> None:
    other = create(cloud, "other", hot(network("10.0.9.0/24")))
    stack = create(cloud, "bare", hot({"a": server(name="a"), "b": server(name="b")}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert networks_of(cloud, "a") == networks_of(cloud, "b") == [NAME]
    assert [router.name for router in cloud.network.routers()] == ["auto_allocated_router"]
    deleted(cloud, stack)
    until(lambda: NAME not in [n.name for n in cloud.network.networks()])
    assert list(cloud.network.routers()) == []
    deleted(cloud, other)


def test_types_and_properties_of_older_templates(cloud: Connection) -> None:
    link = {"router_id": {"get_resource": "router"}, "network_id": "public"}
    address = {"floating_ip": {"get_resource": "ip"}, "server_id": {"get_resource": "web"}}
    leg = {"router": {"get_resource": "router"}, "subnet": {"get_resource": "subnet"}}
    net = {"shared": True, "value_specs": {"provider:network_type": "vxlan"}}
    policy = {"policies": ["anti-affinity"]}
    size = {"ram": 700, "vcpus": 1, "disk": 3, "extra_specs": {"hw:cpu_policy": "shared"}}
    template = hot(
        {
            **network(),
            "net": resource("OS::Neutron::Net", **net),
            "router": resource("OS::Neutron::Router", distributed=False),
            "gateway": resource("OS::Neutron::RouterGateway", **link),
            "leg": resource("OS::Neutron::RouterInterface", **leg),
            "group": resource("OS::Nova::ServerGroup", **policy),
            "size": resource("OS::Nova::Flavor", **size),
            "web": server(
                name="web",
                flavor={"get_resource": "size"},
                user_data_format="SOFTWARE_CONFIG",
                networks=[{"subnet": {"get_resource": "subnet"}}],
                availability_zone="elsewhere",
                scheduler_hints={"group": {"get_resource": "group"}},
            ),
            "ip": resource("OS::Nova::FloatingIP", pool="public"),
            "held": {
                **resource("OS::Nova::FloatingIPAssociation", **address),
                "depends_on": ["gateway", "leg"],
            },
        }
    )
    stack = create(cloud, "older", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    (group,) = cloud.compute.server_groups()
    assert group.member_ids == [web.id]
    assert web.availability_zone == "nova"
    assert (web.flavor.ram, web.flavor.disk) == (700, 3)
    (addresses,) = web.addresses.values()
    assert [a["OS-EXT-IPS:type"] for a in addresses] == ["fixed", "floating"]
    deleted(cloud, stack)
    assert list(cloud.network.ips()) == []
    assert list(cloud.compute.server_groups()) == []
    assert 700 not in [flavor.ram for flavor in cloud.compute.flavors()]


def test_a_group_that_is_not_there_is_refused(cloud: Connection) -> None:
    template = hot({"web": server(scheduler_hints={"group": "nobody's"})})
    stack = create(cloud, "groupless", template)
    assert "Instance group nobody's could not be found" in stack.status_reason
    deleted(cloud, stack)


def ref(name: str) -> dict[str, str]:
    return {"get_resource": name}


def test_names_of_aws(cloud: Connection) -> None:
    ssh = {"IpProtocol": "tcp", "FromPort": "22", "ToPort": "22", "CidrIp": "0.0.0.0/0"}
    launch = {"ImageId": "debian-12", "InstanceType": "m1.nano", "SecurityGroups": ["default"]}
    card = {"SubnetId": ref("subnet"), "GroupSet": [ref("group")]}
    web = {
        "ImageId": "debian-12",
        "InstanceType": "m1.nano",
        "NetworkInterfaces": [ref("card")],
        "Tags": [{"Key": "role", "Value": "web"}],
        "UserData": "#!/bin/sh\n",
        "Volumes": [{"VolumeId": ref("disk"), "Device": "/dev/vdb"}],
    }
    group = {
        "AvailabilityZones": ["nova"],
        "LaunchConfigurationName": ref("launch"),
        "MinSize": "0",
        "MaxSize": "1",
        "DesiredCapacity": "0",
    }
    helpers = {
        "AvailabilityZones": ["nova"],
        "LaunchConfigurationName": ref("launch"),
        "Size": 1,
    }
    way_out = {"VpcId": ref("vpc"), "InternetGatewayId": ref("gateway")}
    subnet = {"CidrBlock": "10.0.0.0/24", "VpcId": ref("vpc")}
    template = hot(
        {
            "vpc": resource("AWS::EC2::VPC", CidrBlock="10.0.0.0/16"),
            "subnet": resource("AWS::EC2::Subnet", **subnet),
            "gateway": resource("AWS::EC2::InternetGateway"),
            "table": resource("AWS::EC2::RouteTable", VpcId=ref("vpc")),
            "routed": resource(
                "AWS::EC2::SubnetRouteTableAssociation",
                RouteTableId=ref("table"),
                SubnetId=ref("subnet"),
            ),
            "way_out": {
                **resource("AWS::EC2::VPCGatewayAttachment", **way_out),
                "depends_on": "routed",
            },
            "group": resource(
                "AWS::EC2::SecurityGroup",
                GroupDescription="ssh",
                VpcId=ref("vpc"),
                SecurityGroupIngress=[ssh],
            ),
            "card": resource("AWS::EC2::NetworkInterface", **card),
            "disk": resource("AWS::EC2::Volume", Size="1", AvailabilityZone="nova"),
            "web": resource("AWS::EC2::Instance", **web),
            "ip": {
                **resource("AWS::EC2::EIP", InstanceId=ref("web")),
                "depends_on": "way_out",
            },
            "launch": resource("AWS::AutoScaling::LaunchConfiguration", **launch),
            "workers": resource("AWS::AutoScaling::AutoScalingGroup", **group),
            "helpers": resource("OS::Heat::InstanceGroup", **helpers),
            "user": resource("AWS::IAM::User"),
            "key": resource("AWS::IAM::AccessKey", UserName=ref("user")),
        },
        outputs={
            "ip": {"value": ref("ip")},
            "access": {"value": ref("key")},
            "inner": {"value": {"get_attr": ["web", "PrivateIp"]}},
        },
    )
    stack = create(cloud, "aws", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    server, helper = sorted(cloud.compute.servers(), key=lambda each: "helpers" in each.name)
    assert server.metadata["role"] == "web"
    assert helper.status == "ACTIVE"
    outputs = {output["output_key"]: output["output_value"] for output in stack.outputs}
    addresses = [address["addr"] for each in server.addresses.values() for address in each]
    assert {outputs["ip"], outputs["inner"]} == set(addresses)
    assert len(server.attached_volumes) == 1
    assert outputs["access"]
    deleted(cloud, stack)
    assert [network.name for network in cloud.network.networks()] == ["public"]
    assert list(cloud.network.routers()) == list(cloud.block_storage.volumes()) == []
