"""Servers ask the cloud about themselves, and are told what holds now."""

from __future__ import annotations

import json

import pytest
from openstack.connection import Connection

from tests.local.conftest import create, hot, network, resource, server, settled
from tests.local.test_cloud import booted, inside

pytestmark = pytest.mark.cloud

USER_DATA = """\
#!/bin/sh
curl -fsS http://169.254.169.254/latest/meta-data/local-ipv4 > /address
"""


def template(role: str) -> dict[str, object]:
    """Two servers with the same address, in two networks that know of no router."""
    port = resource(
        "OS::Neutron::Port",
        network={"get_resource": "net"},
        fixed_ips=[{"subnet": {"get_resource": "subnet"}, "ip_address": "10.0.0.7"}],
    )
    second_net = network(gateway_ip=None)
    second_net["subnet"]["properties"]["network"] = {"get_resource": "other_net"}  # type: ignore[index]
    other = {**server(metadata={"role": "other"}), "depends_on": "other_subnet"}
    other["properties"]["networks"] = [
        {"network": {"get_resource": "other_net"}, "fixed_ip": "10.0.0.7"}
    ]
    return hot(
        {
            **network(gateway_ip=None),
            "other_net": second_net["net"],
            "other_subnet": second_net["subnet"],
            "port": port,
            "web": server(
                name="web",
                networks=[{"port": {"get_resource": "port"}}],
                metadata={"role": role},
                user_data=USER_DATA,
                user_data_format="RAW",
            ),
            "other": other,
        }
    )


def test_each_server_is_told_of_itself(cloud: Connection) -> None:
    stack = create(cloud, "metadata", template("first"))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    servers = {server.metadata["role"]: server.id for server in cloud.compute.servers()}
    web, other = servers["first"], servers["other"]
    booted(cloud, web)
    assert inside(web, "cat /address") == "10.0.0.7"
    drive = "/var/lib/cloud/seed/config_drive"
    for form, file in (("openstack", "network_data.json"), ("openstack", "user_data")):
        service = inside(web, f"curl -fsS 169.254.169.254/{form}/latest/{file}")
        assert service == inside(web, f"cat {drive}/{form}/latest/{file}")
    ask = "curl -fsS 169.254.169.254/openstack/latest/meta_data.json"
    assert json.loads(inside(web, ask))["uuid"] == web
    assert json.loads(inside(other, ask))["uuid"] == other
    cloud.orchestration.update_stack(stack, template=template("second"), parameters={})
    assert settled(cloud, stack.id).status == "UPDATE_COMPLETE"
    assert json.loads(inside(web, ask))["meta"] == {"role": "second"}
