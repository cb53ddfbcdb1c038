"""What a template may ask of the embedded cloud: types and properties, and nothing else.

Heat's own resource classes do the work. Here they are narrowed, so that Heat itself refuses, when
it judges a template, whatever would otherwise be accepted and then not be so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from heat.engine import constraints, properties
from heat.engine.environment import ResourceRegistry
from heat.engine.resource import Resource

#: Types of Heat's own that need nothing but Heat.
OWN_TYPES = frozenset({
    "AWS::CloudFormation::Stack",
    "OS::Heat::AutoScalingGroup",
    "OS::Heat::CloudConfig",
    "OS::Heat::Delay",
    "OS::Heat::MultipartMime",
    "OS::Heat::None",
    "OS::Heat::RandomString",
    "OS::Heat::ResourceChain",
    "OS::Heat::ResourceGroup",
    "OS::Heat::ScalingPolicy",
    "OS::Heat::SoftwareConfig",
    "OS::Heat::TestResource",
    "OS::Heat::Value",
    "OS::Heat::WaitCondition",
    "OS::Heat::WaitConditionHandle",
})  # fmt: skip

#: Types that stand for something on this machine → the properties that mean something there.
PROPERTIES: Mapping[str, frozenset[str]] = {
    "OS::Nova::Server": frozenset({
        "name", "image", "flavor", "flavor_update_policy", "image_update_policy", "key_name",
        "security_groups", "metadata", "user_data", "user_data_format", "user_data_update_policy",
        "config_drive", "tags",
        "networks", "networks.network", "networks.uuid", "networks.port", "networks.subnet",
        "networks.fixed_ip", "networks.floating_ip", "networks.allocate_network",
    }),
    "OS::Nova::KeyPair": frozenset({"name", "public_key", "save_private_key"}),
    "OS::Neutron::Net": frozenset({"name", "admin_state_up", "port_security_enabled", "tags"}),
    "OS::Neutron::Subnet": frozenset({
        "name", "network", "network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp",
        "dns_nameservers", "allocation_pools", "allocation_pools.start", "allocation_pools.end",
        "host_routes", "host_routes.destination", "host_routes.nexthop", "tags",
    }),
    "OS::Neutron::Port": frozenset({
        "name", "network", "network_id", "fixed_ips", "fixed_ips.subnet", "fixed_ips.subnet_id",
        "fixed_ips.ip_address", "security_groups", "mac_address", "admin_state_up", "tags",
        "port_security_enabled", "no_fixed_ips", "replacement_policy", "allowed_address_pairs",
        "allowed_address_pairs.ip_address", "allowed_address_pairs.mac_address",
    }),
    "OS::Neutron::Router": frozenset({
        "name", "admin_state_up", "tags", "external_gateway_info", "external_gateway_info.network",
        "external_gateway_info.enable_snat", "external_gateway_info.external_fixed_ips",
        "external_gateway_info.external_fixed_ips.ip_address",
        "external_gateway_info.external_fixed_ips.subnet",
    }),
    "OS::Neutron::RouterInterface": frozenset({
        "router", "router_id", "subnet", "subnet_id", "port", "port_id",
    }),
    "OS::Neutron::FloatingIP": frozenset({
        "floating_network", "floating_network_id", "port_id", "fixed_ip_address",
        "floating_ip_address",
    }),
    "OS::Neutron::FloatingIPAssociation": frozenset({
        "floatingip_id", "port_id", "fixed_ip_address",
    }),
    "OS::Neutron::SecurityGroup": frozenset({
        "name", "description", "rules", "rules.direction", "rules.ethertype", "rules.protocol",
        "rules.port_range_min", "rules.port_range_max", "rules.remote_mode",
        "rules.remote_group_id", "rules.remote_ip_prefix", "rules.description",
    }),
    "OS::Neutron::SecurityGroupRule": frozenset({
        "security_group", "description", "direction", "ethertype", "protocol", "port_range_min",
        "port_range_max", "remote_group", "remote_ip_prefix",
    }),
}  # fmt: skip

#: Properties of which only some values mean something here.
VALUES: Mapping[tuple[str, str], tuple[object, ...]] = {
    ("OS::Nova::Server", "user_data_format"): ("RAW", "HEAT_CFNTOOLS"),
    ("OS::Heat::WaitConditionHandle", "signal_transport"): (
        "HEAT_SIGNAL", "TOKEN_SIGNAL", "NO_SIGNAL",
    ),
    ("OS::Neutron::Net", "admin_state_up"): (True,),
    ("OS::Neutron::Port", "admin_state_up"): (True,),
    ("OS::Neutron::Router", "admin_state_up"): (True,),
    ("OS::Neutron::Subnet", "ip_version"): (4,),
}  # fmt: skip


def narrow(registry: ResourceRegistry) -> None:
    """Replace every resource class of Heat's by one that refuses what we can't honour."""
    for name, resource_class in _classes(registry._registry):
        registry.register_class(name, _narrowed(name, resource_class))


def _classes(registry: Mapping[str, Any]) -> list[tuple[str, type[Resource]]]:
    found: list[tuple[str, type[Resource]]] = []
    for name, entry in registry.items():
        if isinstance(entry, dict):
            found += _classes(entry)
        elif isinstance(entry.value, type) and issubclass(entry.value, Resource):
            found.append((name, entry.value))
    return found


def _narrowed(name: str, resource_class: type[Resource]) -> type[Resource]:
    if name in PROPERTIES or name in OWN_TYPES:
        schema = _narrowed_schema(name, resource_class.properties_schema)
        return type(resource_class.__name__, (resource_class,), {"properties_schema": schema})
    return type(
        resource_class.__name__,
        (resource_class,),
        {"is_service_available": classmethod(_refuse)},
    )


def _refuse(cls: type[Resource], context: object) -> tuple[bool, str]:
    return False, "the embedded cloud has nothing that could honour this type"


def _narrowed_schema(
    name: str, schema: Mapping[str, properties.Schema], path: str = ""
) -> dict[str, properties.Schema]:
    honoured = PROPERTIES.get(name)
    narrowed = {}
    for key, original in schema.items():
        entry = narrowed[key] = copy.copy(original)
        here = f"{path}{key}"
        if honoured is not None and here not in honoured:
            entry.implemented = False
            entry.required = False
        elif original.schema:
            entry.schema = _narrowed_item(name, original, f"{here}.")
        values = VALUES.get((name, here))
        if values is not None:
            entry.constraints = [constraints.AllowedValues(list(values))]
    return narrowed


def _narrowed_item(name: str, schema: properties.Schema, path: str) -> Any:
    if schema.type == properties.Schema.LIST:
        item = schema.schema["*"]
        if item.schema:
            item = copy.copy(item)
            item.schema = _narrowed_schema(name, item.schema, path)
        return constraints.AnyIndexDict(item)
    return _narrowed_schema(name, schema.schema, path)
