"""Reads the servers and networks that a stack will have from Heat's preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infraci.heat.objects import SERVER_TYPES, PreviewResource, StackPreview

SERVER = "OS::Nova::Server"


#: The properties of an AWS::EC2::Instance, and what a server of Nova's calls them.
_NAMES_OF_AWS = {
    "ImageId": "image",
    "InstanceType": "flavor",
    "KeyName": "key_name",
    "UserData": "user_data",
    "SecurityGroups": "security_groups",
}


def servers_of(preview: StackPreview) -> tuple[PreviewResource, ...]:
    """The servers among the resources, all with the properties of Nova's type."""
    return tuple(_as_nova(each) for each in preview.walk() if each.type in SERVER_TYPES)


def _as_nova(server: PreviewResource) -> PreviewResource:
    if server.type == SERVER:
        return server
    known = server.properties
    properties = {nova: known[aws] for aws, nova in _NAMES_OF_AWS.items() if known.get(aws)}
    tags = known.get("Tags")
    metadata = {tag["Key"]: tag["Value"] for tag in tags} if isinstance(tags, list) else {}
    return replace(server, properties={**properties, "metadata": metadata})


def nova_name(server: PreviewResource) -> str:
    """The name that a server will have at Nova; without one in the template Heat invents it."""
    name = server.properties.get("name")
    return str(name) if name else f"{server.stack_name}-{server.name}-…"


def networks_of(server: PreviewResource, template: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks a server is in, as the template calls them.

    Heat's preview knows only networks that exist; those of the stack itself are found by the
    template's references, through ports, as far as these are plain.
    """
    resources = template.get("resources") or {}
    networks = declared(server, resources).get("networks")
    if not isinstance(networks, list):
        networks = server.properties.get("networks")
    entries = networks if isinstance(networks, list) else []
    names = [_network(entry, resources) for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(name for name in names if name))


def declared(resource: PreviewResource, resources: Mapping[str, Any]) -> Mapping[str, Any]:
    """A resource's properties as they are written; those of a group's definition too."""
    top, _, _ = resource.path.partition(".")
    definition = resources.get(top) or {}
    properties = definition.get("properties") or {}
    if resource.path != top:
        inner = properties.get("resource_def") or properties.get("resource") or {}
        properties = (inner.get("properties") or {}) if inner.get("type") == resource.type else {}
    return properties if isinstance(properties, dict) else {}


def _network(entry: Mapping[str, Any], resources: Mapping[str, Any]) -> str:
    for key in ("network", "network_id", "uuid"):
        if entry.get(key):
            return _name(entry[key])
    if entry.get("subnet"):
        subnet = resources.get(_name(entry["subnet"])) or {}
        return _network(subnet.get("properties") or {}, resources) or _name(entry["subnet"])
    if entry.get("port"):
        port = resources.get(_name(entry["port"])) or {}
        return _network(port.get("properties") or {}, resources) or _name(entry["port"])
    return str(entry.get("allocate_network") or "")


def _name(value: object) -> str:
    """What a value refers to: a resource, a parameter, or itself."""
    if isinstance(value, dict) and len(value) == 1:
        ((function, argument),) = value.items()
        if function in ("get_resource", "get_param", "get_attr"):
            return str(argument[0] if isinstance(argument, list) else argument)
        return f"({function})"
    return str(value)
