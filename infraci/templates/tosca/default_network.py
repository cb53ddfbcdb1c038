"""Adds a network for servers that a TOSCA template puts in none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SERVER = "OS::Nova::Server"
_NET, _SUBNET, _ROUTER, _INTERFACE = (
    "default_network",
    "default_network_subnet",
    "default_network_router",
    "default_network_way_out",
)
#: The external network's name in the template; infraci.yaml maps it to a cloud's own name.
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
    _INTERFACE: {
        "type": "OS::Neutron::RouterInterface",
        "properties": {
            "router": {"get_resource": _ROUTER},
            "subnet": {"get_resource": _SUBNET},
        },
    },
}


def with_network(template: Mapping[str, Any], existing: str = "") -> dict[str, Any]:
    """The template with each such server in one network: the existing one, or the stack's own.

    Each server gets a port, so that its address is known before it is made: its own software may
    need it.
    """
    resources: dict[str, Any] = dict(template["resources"])
    unconnected = [
        name
        for name, resource in resources.items()
        if resource["type"] == _SERVER and "networks" not in resource.get("properties", {})
    ]
    for name in unconnected:
        resource, port = dict(resources[name]), f"{name}_default_port"
        resources[port] = {
            "type": "OS::Neutron::Port",
            "properties": {"network": existing or {"get_resource": _NET}},
        }
        resource["properties"] = {
            **resource["properties"],
            "networks": [{"port": {"get_resource": port}}],
        }
        if not existing:  # it downloads software through the router
            resource["depends_on"] = [*resource.get("depends_on", ()), _INTERFACE]
        resources[name] = resource
    if unconnected and not existing:
        resources |= _RESOURCES
    done: dict[str, Any] = _addressed({**template, "resources": resources}, _ports(resources))
    return done


def _ports(resources: Mapping[str, Any]) -> dict[str, str]:
    """The first port of each server that has one."""
    ports = {}
    for name, resource in resources.items():
        if resource["type"] == _SERVER:
            match resource["properties"]["networks"]:
                case [{"port": {"get_resource": str(port)}}, *_]:
                    ports[name] = port
    return ports


def _addressed(node: Any, ports: Mapping[str, str]) -> Any:
    """The template's parts with the addresses of servers replaced by those of their ports."""
    match node:
        case {"get_attr": [str(server), "first_address"]} if server in ports:
            return {"get_attr": [ports[server], "fixed_ips", 0, "ip_address"]}
        case dict():
            return {key: _addressed(value, ports) for key, value in node.items()}
        case list():
            return [_addressed(value, ports) for value in node]
        case _:
            return node
