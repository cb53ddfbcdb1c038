"""What a stack takes of quotas."""

from __future__ import annotations

from typing import Any

from infraci.doctor.needs import needs_of
from infraci.doctor.quota import shortages
from infraci.heat import PreviewResource
from infraci.heat.capacity import Quota, Size

SIZES = {"small": Size(vcpus=2, ram_mb=2048), "id-1": Size(vcpus=1, ram_mb=512)}


def resource(type_: str, **properties: Any) -> PreviewResource:
    return PreviewResource(
        name="r", type=f"OS::{type_}", path="r", stack_name="s", properties=properties
    )


def test_servers_with_their_cores_memory_ports_and_disks() -> None:
    disk = {"image": "debian-12", "volume_size": 10}
    server = resource(
        "Nova::Server",
        flavor="small",
        networks=[{"network": "a"}, {"port": "p"}, {"subnet": "s"}],
        block_device_mapping_v2=[disk, {"volume_id": "v"}],
    )
    other = resource("Nova::Server", flavor="id-1", networks=None)
    assert needs_of([server, other], SIZES) == {
        "servers": 2,
        "cores": 3,
        "MB of RAM": 2560,
        "ports": 2,
        "volumes": 1,
        "GB of volumes": 10,
    }


def test_networks_and_what_neutron_makes_beside() -> None:
    needs = needs_of(
        [
            resource("Neutron::Net"),
            resource("Neutron::Subnet", enable_dhcp=True),
            resource("Neutron::Subnet", enable_dhcp=False),
            resource("Neutron::Port"),
            resource("Neutron::Router"),
            resource("Neutron::RouterInterface"),
            resource("Neutron::FloatingIP"),
            resource("Neutron::SecurityGroup", rules=[{}, {}]),
            resource("Neutron::SecurityGroupRule"),
            resource("Octavia::LoadBalancer"),
            resource("Cinder::Volume", size="20"),
            resource("Heat::Value"),
        ],
        {},
    )
    assert needs == {
        "networks": 1,
        "subnets": 2,
        "ports": 4,
        "routers": 1,
        "floating IPs": 1,
        "security groups": 1,
        "security group rules": 5,
        "volumes": 1,
        "GB of volumes": 20,
    }


def test_what_there_is_not_enough_of() -> None:
    quotas = {
        "servers": Quota(limit=10, used=8),
        "cores": Quota(limit=-1, used=100),
        "ports": Quota(limit=5, used=9),
    }
    assert shortages({"servers": 2, "cores": 50, "routers": 1}, quotas) == []
    assert shortages({"servers": 3, "ports": 1}, quotas) == [
        "3 servers, of which 2 are left (quota 10)",
        "1 ports, of which 0 are left (quota 5)",
    ]
