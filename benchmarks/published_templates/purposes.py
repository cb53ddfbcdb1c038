"""What a parameter of a template is for: an image, a network, a key pair.

Told by the property that gets it, in the template or in the nested one that it is handed to; else
by its custom constraint; else by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from benchmarks.published_templates.collection import Collection, Document, mapping


class Purpose(StrEnum):
    """A kind of thing on a cloud that a value names."""

    IMAGE = "image"
    FLAVOR = "flavor"
    KEY = "key pair"
    NETWORK = "network"
    EXTERNAL_NETWORK = "external network"
    SUBNET = "subnet"
    ROUTER = "router"
    PORT = "port"
    GROUP = "security group"
    VOLUME = "volume"
    VOLUME_TYPE = "volume type"
    SNAPSHOT = "volume snapshot"
    ZONE = "availability zone"
    SERVER = "server"
    REGION = "region"
    DOMAIN = "domain"
    PROJECT = "project"
    ROLE = "role"
    USER_GROUP = "group of users"
    PLAIN = "a value of its own"


_ASSIGNED = {
    "roles.role": Purpose.ROLE,
    "roles.domain": Purpose.DOMAIN,
    "roles.project": Purpose.PROJECT,
}
#: By type, the properties that name something; a dot leads into a mapping or a list of them.
_PROPERTIES: Mapping[str, Mapping[str, Purpose]] = {
    "OS::Nova::Server": {
        "image": Purpose.IMAGE,
        "flavor": Purpose.FLAVOR,
        "key_name": Purpose.KEY,
        "availability_zone": Purpose.ZONE,
        "security_groups": Purpose.GROUP,
        "networks": Purpose.NETWORK,
        "networks.network": Purpose.NETWORK,
        "networks.uuid": Purpose.NETWORK,
        "networks.subnet": Purpose.SUBNET,
        "networks.port": Purpose.PORT,
        "block_device_mapping.volume_id": Purpose.VOLUME,
        "block_device_mapping_v2.volume_id": Purpose.VOLUME,
        "block_device_mapping_v2.image": Purpose.IMAGE,
        "block_device_mapping_v2.image_id": Purpose.IMAGE,
    },
    "OS::Nova::FloatingIP": {"pool": Purpose.EXTERNAL_NETWORK},
    "OS::Neutron::FloatingIP": {
        "floating_network": Purpose.EXTERNAL_NETWORK,
        "floating_network_id": Purpose.EXTERNAL_NETWORK,
        "port_id": Purpose.PORT,
    },
    "OS::Neutron::Router": {
        "external_gateway_info.network": Purpose.EXTERNAL_NETWORK,
        "external_gateway_info.network_id": Purpose.EXTERNAL_NETWORK,
    },
    "OS::Neutron::RouterGateway": {
        "router": Purpose.ROUTER,
        "router_id": Purpose.ROUTER,
        "network": Purpose.EXTERNAL_NETWORK,
        "network_id": Purpose.EXTERNAL_NETWORK,
    },
    "OS::Neutron::RouterInterface": {
        "router": Purpose.ROUTER,
        "router_id": Purpose.ROUTER,
        "subnet": Purpose.SUBNET,
        "subnet_id": Purpose.SUBNET,
        "port": Purpose.PORT,
    },
    "OS::Neutron::Port": {
        "network": Purpose.NETWORK,
        "network_id": Purpose.NETWORK,
        "security_groups": Purpose.GROUP,
        "fixed_ips.subnet": Purpose.SUBNET,
        "fixed_ips.subnet_id": Purpose.SUBNET,
    },
    "OS::Heat::Stack": {"context.region_name": Purpose.REGION},
    "OS::Neutron::Subnet": {"network": Purpose.NETWORK, "network_id": Purpose.NETWORK},
    "OS::Neutron::SecurityGroupRule": {
        "security_group": Purpose.GROUP,
        "remote_group": Purpose.GROUP,
    },
    "OS::Cinder::Volume": {
        "image": Purpose.IMAGE,
        "volume_type": Purpose.VOLUME_TYPE,
        "snapshot_id": Purpose.SNAPSHOT,
        "availability_zone": Purpose.ZONE,
    },
    "OS::Cinder::VolumeAttachment": {
        "volume_id": Purpose.VOLUME,
        "instance_uuid": Purpose.SERVER,
    },
    "OS::Octavia::LoadBalancer": {
        "vip_subnet": Purpose.SUBNET,
        "vip_network": Purpose.NETWORK,
        "vip_port": Purpose.PORT,
    },
    "OS::Octavia::PoolMember": {"subnet": Purpose.SUBNET},
    "OS::Keystone::Group": {"domain": Purpose.DOMAIN, **_ASSIGNED},
    "OS::Keystone::User": {
        "domain": Purpose.DOMAIN,
        "default_project": Purpose.PROJECT,
        "groups": Purpose.USER_GROUP,
        **_ASSIGNED,
    },
    "OS::Keystone::Project": {"domain": Purpose.DOMAIN, "parent": Purpose.PROJECT},
    "OS::Keystone::Role": {"domain": Purpose.DOMAIN},
    "OS::Keystone::Endpoint": {"region": Purpose.REGION},
    "OS::Keystone::GroupRoleAssignment": {"group": Purpose.USER_GROUP, **_ASSIGNED},
    "OS::Keystone::UserRoleAssignment": _ASSIGNED,
    "AWS::EC2::Instance": {
        "ImageId": Purpose.IMAGE,
        "InstanceType": Purpose.FLAVOR,
        "KeyName": Purpose.KEY,
        "SubnetId": Purpose.SUBNET,
    },
    "AWS::AutoScaling::LaunchConfiguration": {
        "ImageId": Purpose.IMAGE,
        "InstanceType": Purpose.FLAVOR,
        "KeyName": Purpose.KEY,
    },
}
_CONSTRAINTS = {
    "glance.image": Purpose.IMAGE,
    "nova.flavor": Purpose.FLAVOR,
    "nova.keypair": Purpose.KEY,
    "nova.server": Purpose.SERVER,
    "neutron.network": Purpose.NETWORK,
    "neutron.subnet": Purpose.SUBNET,
    "neutron.router": Purpose.ROUTER,
    "neutron.port": Purpose.PORT,
    "neutron.security_group": Purpose.GROUP,
    "cinder.volume": Purpose.VOLUME,
    "cinder.vtype": Purpose.VOLUME_TYPE,
    "cinder.snapshot": Purpose.SNAPSHOT,
}
_EXTERNAL = re.compile(r"pub|ext|float|provider|fip")
#: What parameters are mostly called, in lower case; the first that matches counts.
_NAMES: tuple[tuple[str, Purpose], ...] = (
    (r"cidr|gateway|prefix|range|mask|dns|domain|_ip$|addr|start$|end$|url|docker", Purpose.PLAIN),
    (r"image_?(size|tag|reg|type|format|user)", Purpose.PLAIN),
    (r"(^|_)image(_?(name|id|ref))?$|^image|_image", Purpose.IMAGE),
    (r"flavor|^instance_?type$", Purpose.FLAVOR),
    (r"^(ssh_?)?key(_?pair)?(_?name)?$|key_?pair|key_?name$", Purpose.KEY),
    (r"(pub|ext|float|provider).*(net|pool)|^f(loating_?)?ip_?pool", Purpose.EXTERNAL_NETWORK),
    (r"sub_?net", Purpose.SUBNET),
    (r"^router$|router.*(id|name)$", Purpose.ROUTER),
    (r"net(work)?(_?(id|name|uuid))?$", Purpose.NETWORK),
    (r"sec(urity)?_?group", Purpose.GROUP),
    (r"availability_?zone|^az$", Purpose.ZONE),
    (r"volume_?type", Purpose.VOLUME_TYPE),
    (r"snapshot_?id", Purpose.SNAPSHOT),
    (r"volume_?id", Purpose.VOLUME),
)  # fmt: skip
#: At these a value is never a thing's name, whatever the parameter is called.
_OWN_NAMES = frozenset({"name", "cidr", "ip_address", "gateway_ip", "destination", "nexthop"})


def purposes(collection: Collection, template: Document) -> Mapping[str, Purpose]:
    """The purpose of each parameter of a template."""
    by_property = _by_property(collection, template.path, seen=frozenset())
    return {
        name: by_property.get(name) or _declared_purpose(name, mapping(declared))
        for name, declared in template.parameters.items()
    }


def literals(template: Document) -> Iterator[tuple[Purpose, str]]:
    """Yield the names that a template's properties have in writing, and what they name."""
    for purpose, value in _named(template):
        if isinstance(value, str) and value:
            yield purpose, value


def blanks(template: Document) -> Iterator[Purpose]:
    """Yield what a template's properties name in writing, and leave empty."""
    for purpose, value in _named(template):
        if purpose is not Purpose.PLAIN and value in (None, ""):
            yield purpose


def _declared_purpose(name: str, declared: Mapping[str, Any]) -> Purpose:
    lowered = name.lower()
    constraint = rule(declared, "custom_constraint")
    if isinstance(constraint, str) and (purpose := _CONSTRAINTS.get(constraint)):
        if purpose is Purpose.NETWORK and _EXTERNAL.search(lowered):
            return Purpose.EXTERNAL_NETWORK
        return purpose
    if declared.get("type") in ("number", "boolean", "json"):
        return Purpose.PLAIN
    return purpose_of_name(name)


def purpose_of_name(name: str) -> Purpose:
    """What a parameter is probably for, by its name alone."""
    lowered = name.lower()
    return next((p for pattern, p in _NAMES if re.search(pattern, lowered)), Purpose.PLAIN)


def rule(declared: Mapping[str, Any], name: str) -> Any:
    """The constraint of that name of a parameter; None if it has none."""
    rules = declared.get("constraints")
    rules = rules if isinstance(rules, list) else []
    return next((each[name] for each in rules if isinstance(each, dict) and name in each), None)


def _by_property(
    collection: Collection, path: PurePosixPath, *, seen: frozenset[PurePosixPath]
) -> dict[str, Purpose]:
    """What the parameters are for that a template gives to properties as they are."""
    template = collection.templates[path]
    purposes: dict[str, Purpose] = {}
    for purpose, value in _named(template):
        for name in _parameters_in(value):
            purposes.setdefault(name, purpose)
    for resource in _resources(template):
        for nested in collection.meant(str(resource.get("type")), path):
            if nested in seen or nested == path:
                continue
            inner = _by_property(collection, nested, seen=seen | {path})
            for key, value in mapping(resource.get("properties")).items():
                if key in inner:
                    for name in _parameters_in(value):
                        purposes.setdefault(name, inner[key])
    return purposes


def _parameters_in(value: Any) -> Iterator[str]:
    """Yield the parameters that are the value, or one of its items."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and item.keys() == {"get_param"}:
            argument = item["get_param"]
            name = argument[0] if isinstance(argument, list) and argument else argument
            if isinstance(name, str):
                yield name


def _named(template: Document) -> Iterator[tuple[Purpose, Any]]:
    """Yield the values of properties that name something, and those that are only their own."""
    for resource in _resources(template):
        type_ = str(resource.get("type"))
        properties = mapping(resource.get("properties"))
        for path, purpose in _PROPERTIES.get(type_, {}).items():
            for value in _values(properties, path.split(".")):
                for each in value if isinstance(value, list) else [value]:
                    yield purpose, each
        for key in _OWN_NAMES & properties.keys():
            yield Purpose.PLAIN, properties[key]


def _values(node: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        yield node
        return
    for entry in node if isinstance(node, list) else [node]:
        if isinstance(entry, dict) and path[0] in entry:
            yield from _values(entry[path[0]], path[1:])


def _resources(template: Document) -> Iterator[Mapping[str, Any]]:
    """Yield the resources, and those that groups and chains make of a definition."""
    todo: list[Any] = [template.content.get("resources")]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            if isinstance(node.get("type"), str) and "properties" in node:
                yield node
            todo += node.values()
        elif isinstance(node, list):
            todo += node
