"""A network for servers that a TOSCA template puts in none, which Heat would not make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SERVER = "OS::Nova::Server"
_NET, _SUBNET, _ROUTER, _WAY_OUT = (
    "default_network",
    "default_network_subnet",
    "default_network_router",
    "default_network_way_out",
)
#: What templates of infraci's call the way to the world; infraci.yaml says what a cloud calls it.
_PUBLIC = "public"

_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    _NET: {"type": "OS::Neutron::Net"},
    _SUBNET: {
        "type": "OS::Neutron::Subnet",
        "properties": {"network": {"get_resource": _NET}, "cidr": "10.89.0.0/24"},
    },
    _ROUTER: {
        "type": "OS::Neutron::Router",
        "properties": {"external_gateway_info": {"network": _PUBLIC}},
    },
    _WAY_OUT: {
        "type": "OS::Neutron::RouterInterface",
        "properties": {
            "router": {"get_resource": _ROUTER},
            "subnet": {"get_resource": _SUBNET},
        },
    },
}


def with_network(template: Mapping[str, Any], existing: str = "") -> dict[str, Any]:
    """The template with each such server in one network: the existing one, or one of the stack."""
    resources: dict[str, Any] = dict(template["resources"])
    homeless = [
        name
        for name, said in resources.items()
        if said["type"] == _SERVER and "networks" not in said.get("properties", {})
    ]
    if not homeless:
        return dict(template)
    for name in homeless:
        said = dict(resources[name])
        network = existing or {"get_resource": _NET}
        said["properties"] = {**said["properties"], "networks": [{"network": network}]}
        if not existing:  # what it installs comes that way
            said["depends_on"] = [*said.get("depends_on", ()), _WAY_OUT]
        resources[name] = said
    if not existing:
        resources |= _RESOURCES
    return {**template, "resources": resources}
