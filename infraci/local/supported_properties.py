"""What a template may ask of the embedded cloud: types and properties, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

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
