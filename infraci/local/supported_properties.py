"""Which types and properties of a template the embedded cloud supports, and how.

A property is *honoured* (it does here what it does on a cloud) or *kept*: stored and shown as a
cloud does, without the effect that one machine cannot have. A plan says so of each kept property.
Heat refuses every other type and property by its name.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Types of Heat's own that need nothing but Heat.
OWN_TYPES = frozenset({
    "AWS::CloudFormation::Stack",
    "AWS::CloudFormation::WaitCondition",
    "AWS::CloudFormation::WaitConditionHandle",
    "OS::Heat::AccessPolicy",
    "OS::Heat::AutoScalingGroup",
    "OS::Heat::CloudConfig",
    "OS::Heat::Delay",
    "OS::Heat::MultipartMime",
    "OS::Heat::None",
    "OS::Heat::RandomString",
    "OS::Heat::ResourceChain",
    "OS::Heat::ResourceGroup",
    "OS::Heat::ScalingPolicy",
    "OS::Heat::SoftwareComponent",
    "OS::Heat::SoftwareConfig",
    "OS::Heat::SoftwareDeployment",
    "OS::Heat::SoftwareDeploymentGroup",
    "OS::Heat::SoftwareDeployments",
    "OS::Heat::StructuredConfig",
    "OS::Heat::StructuredDeployment",
    "OS::Heat::StructuredDeploymentGroup",
    "OS::Heat::StructuredDeployments",
    "OS::Heat::SwiftSignal",
    "OS::Heat::SwiftSignalHandle",
    "OS::Heat::TestResource",
    "OS::Heat::UpdateWaitConditionHandle",
    "OS::Heat::Value",
    "OS::Heat::WaitCondition",
    "OS::Heat::WaitConditionHandle",
})  # fmt: skip

#: AWS's names for what this cloud has: Heat makes of each property what its own types make.
AWS_TYPES = frozenset({
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::AutoScaling::ScalingPolicy",
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::Instance",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NetworkInterface",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EC2::Volume",
    "AWS::EC2::VolumeAttachment",
    "AWS::IAM::AccessKey",
    "AWS::IAM::User",
    "OS::Heat::InstanceGroup",  # of servers by AWS's launch configuration
})  # fmt: skip


def _extension(types: str, lacking: str) -> dict[str, str]:
    """The reason against the types of an extension that Neutron has not here."""
    return {
        f"OS::Neutron::{type_}": f"the embedded cloud has no {lacking}" for type_ in types.split()
    }


_NO_ALARM = "nothing measures servers or tells of events here, so that it never fires"
#: Types that are kept as a whole, without effect → what differs here, as a plan tells it.
KEPT_TYPES: Mapping[str, str] = dict.fromkeys(
    (
        "OS::Aodh::CompositeAlarm",
        "OS::Aodh::EventAlarm",
        "OS::Aodh::GnocchiAggregationByMetricsAlarm",
        "OS::Aodh::GnocchiAggregationByResourcesAlarm",
        "OS::Aodh::GnocchiResourcesAlarm",
        "OS::Aodh::LBMemberHealthAlarm",
        "OS::Aodh::PrometheusAlarm",
    ),
    _NO_ALARM,
)

#: Types that are refused → the reason, where it is not that there is no such service.
REASONS: Mapping[str, str] = {
    "OS::Aodh::Alarm": "Aodh has no alarms on Ceilometer's meters any more",
    "OS::Keystone::Domain": (
        "Keystone deletes no domain that is enabled, and Heat disables none: the stack would stay"
    ),
    "AWS::ElasticLoadBalancing::LoadBalancer": (
        "Heat makes it of a server with HAProxy and heat-cfntools, which no image here has"
    ),
    "OS::Glance::WebImage": (
        "images are what infraci builds, or OCI references; the embedded cloud loads none from a "
        "URL"
    ),
    "OS::Octavia::Quota": "load balancers have no quotas",
    **dict.fromkeys(
        (
            "OS::Octavia::Flavor",
            "OS::Octavia::FlavorProfile",
            "OS::Octavia::AvailabilityZone",
            "OS::Octavia::AvailabilityZoneProfile",
        ),
        "every load balancer is one haproxy on this machine, of no flavor and in no zone",
    ),
    "OS::Neutron::Trunk": "there are no trunks: a network card is in one network",
    "OS::Neutron::Segment": "a network has one segment, a bridge on this machine",
    "OS::Neutron::Quota": "networks have no quotas",
    "OS::Neutron::FloatingIPPortForward": "a floating IP leads to one port as a whole",
    **dict.fromkeys(
        ("OS::Neutron::QoSMinimumBandwidthRule", "OS::Neutron::QoSMinimumPacketRateRule"),
        "this machine can guarantee no bandwidth",
    ),
    **_extension("Firewall FirewallPolicy FirewallRule", "firewalls but security groups"),
    **_extension(
        "IKEPolicy IPsecPolicy IPsecSiteConnection VPNService", "virtual private networks"
    ),
    **_extension("FlowClassifier PortChain PortPair PortPairGroup", "chains of services"),
    **_extension("TaaS::TapFlow TaaS::TapService", "mirrors of ports"),
    **_extension("MeteringLabel MeteringRule", "meters"),
    **_extension(
        "L2Gateway L2GatewayConnection NetworkGateway", "gateways to networks of a provider"
    ),
}

_ROLES = ("roles", "roles.role", "roles.project", "roles.domain")

#: Types that stand for something on this machine → the properties that are honoured.
PROPERTIES: Mapping[str, frozenset[str]] = {
    "OS::Nova::Server": frozenset({
        "name", "image", "flavor", "flavor_update_policy", "image_update_policy", "key_name",
        "security_groups", "metadata", "user_data", "user_data_format", "user_data_update_policy",
        "config_drive", "tags", "software_config_transport",
        "deployment_swift_data", "deployment_swift_data.container",
        "deployment_swift_data.object",
        "networks", "networks.network", "networks.uuid", "networks.port", "networks.subnet",
        "networks.fixed_ip", "networks.floating_ip", "networks.allocate_network",
        "block_device_mapping", "block_device_mapping.device_name",
        "block_device_mapping.volume_id", "block_device_mapping.snapshot_id",
        "block_device_mapping.volume_size", "block_device_mapping.delete_on_termination",
        "block_device_mapping_v2", "block_device_mapping_v2.device_name",
        "block_device_mapping_v2.volume_id", "block_device_mapping_v2.snapshot_id",
        "block_device_mapping_v2.image", "block_device_mapping_v2.image_id",
        "block_device_mapping_v2.volume_size", "block_device_mapping_v2.boot_index",
        "block_device_mapping_v2.delete_on_termination",
    }),
    "OS::Heat::Stack": frozenset({
        "context", "context.region_name", "template", "timeout", "parameters",
    }),
    "OS::Cinder::Volume": frozenset({
        "name", "description", "size", "metadata", "image", "imageRef", "snapshot_id",
        "source_volid", "volume_type", "read_only",
    }),
    "OS::Cinder::VolumeAttachment": frozenset({"instance_uuid", "volume_id", "mountpoint"}),
    "OS::Cinder::VolumeType": frozenset({"name", "description"}),
    "OS::Cinder::EncryptedVolumeType": frozenset({"volume_type"}),
    "OS::Keystone::Endpoint": frozenset({
        "name", "region", "service", "interface", "url", "enabled",
    }),
    "OS::Keystone::Group": frozenset({"name", "domain", "description", *_ROLES}),
    "OS::Keystone::GroupRoleAssignment": frozenset({"group", *_ROLES}),
    "OS::Keystone::Project": frozenset({
        "name", "domain", "description", "enabled", "parent", "tags",
    }),
    "OS::Keystone::Region": frozenset({"id", "parent_region", "description", "enabled"}),
    "OS::Keystone::Role": frozenset({"name", "domain"}),
    "OS::Keystone::Service": frozenset({"name", "description", "type", "enabled"}),
    "OS::Keystone::User": frozenset({
        "name", "domain", "description", "enabled", "email", "password", "default_project",
        "groups", *_ROLES,
    }),
    "OS::Keystone::UserRoleAssignment": frozenset({"user", *_ROLES}),
    "OS::Octavia::LoadBalancer": frozenset({
        "name", "description", "vip_subnet", "vip_address", "admin_state_up",
    }),
    "OS::Octavia::Listener": frozenset({
        "name", "description", "loadbalancer", "protocol", "protocol_port", "default_pool",
        "connection_limit", "allowed_cidrs", "admin_state_up",
    }),
    "OS::Octavia::Pool": frozenset({
        "name", "description", "loadbalancer", "listener", "protocol", "lb_algorithm",
        "session_persistence", "session_persistence.type", "session_persistence.cookie_name",
        "tls_enabled", "admin_state_up",
    }),
    "OS::Octavia::PoolMember": frozenset({
        "pool", "address", "protocol_port", "subnet", "weight", "monitor_address",
        "monitor_port", "admin_state_up", "tags",
    }),
    "OS::Octavia::HealthMonitor": frozenset({
        "pool", "type", "delay", "timeout", "max_retries", "http_method", "url_path",
        "expected_codes", "admin_state_up",
    }),
    "OS::Octavia::L7Policy": frozenset({
        "name", "description", "listener", "action", "position", "redirect_pool", "redirect_url",
        "admin_state_up",
    }),
    "OS::Octavia::L7Rule": frozenset({
        "l7policy", "type", "compare_type", "key", "value", "invert", "admin_state_up",
    }),
    "OS::Nova::KeyPair": frozenset({"name", "public_key", "save_private_key"}),
    "OS::Nova::Flavor": frozenset({
        "name", "flavorid", "vcpus", "ram", "disk", "extra_specs", "is_public",
    }),
    "OS::Nova::ServerGroup": frozenset({"name"}),
    "OS::Nova::FloatingIP": frozenset({"pool"}),
    "OS::Nova::FloatingIPAssociation": frozenset({"floating_ip", "server_id"}),
    "OS::Neutron::Net": frozenset({
        "name", "admin_state_up", "port_security_enabled", "tags", "value_specs", "dns_domain",
        "qos_policy",
    }),
    "OS::Neutron::ProviderNet": frozenset({
        "name", "admin_state_up", "port_security_enabled", "tags", "dns_domain",
    }),
    "OS::Neutron::Subnet": frozenset({
        "name", "network", "network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp",
        "dns_nameservers", "allocation_pools", "allocation_pools.start", "allocation_pools.end",
        "host_routes", "host_routes.destination", "host_routes.nexthop", "tags",
        "ipv6_address_mode", "ipv6_ra_mode", "subnetpool", "prefixlen",
    }),
    "OS::Neutron::SubnetPool": frozenset({
        "name", "prefixes", "address_scope", "default_prefixlen", "min_prefixlen",
        "max_prefixlen", "is_default", "tags",
    }),
    "OS::Neutron::AddressScope": frozenset({"name", "ip_version"}),
    "OS::Neutron::RBACPolicy": frozenset({"object_type", "object_id"}),
    "OS::Neutron::Port": frozenset({
        "name", "network", "network_id", "fixed_ips", "fixed_ips.subnet", "fixed_ips.subnet_id",
        "fixed_ips.ip_address", "security_groups", "mac_address", "admin_state_up", "tags",
        "port_security_enabled", "no_fixed_ips", "replacement_policy", "binding:vnic_type",
        "dns_name", "qos_policy", "allowed_address_pairs",
        "allowed_address_pairs.ip_address", "allowed_address_pairs.mac_address",
    }),
    "OS::Neutron::Router": frozenset({
        "name", "admin_state_up", "tags", "external_gateway_info", "external_gateway_info.network",
        "external_gateway_info.enable_snat", "external_gateway_info.external_fixed_ips",
        "external_gateway_info.external_fixed_ips.ip_address",
        "external_gateway_info.external_fixed_ips.subnet",
    }),
    "OS::Neutron::ExtraRoute": frozenset({"router_id", "destination", "nexthop"}),
    "OS::Neutron::ExtraRouteSet": frozenset({
        "router", "routes", "routes.destination", "routes.nexthop",
    }),
    "OS::Neutron::QoSPolicy": frozenset({"name", "description"}),
    "OS::Neutron::QoSBandwidthLimitRule": frozenset({
        "policy", "max_kbps", "max_burst_kbps", "direction",
    }),
    "OS::Neutron::QoSDscpMarkingRule": frozenset({"policy", "dscp_mark"}),
    "OS::Neutron::RouterGateway": frozenset({"router_id", "network", "network_id"}),
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
    "OS::Swift::Container": frozenset({
        "name", "X-Container-Read", "X-Container-Write", "X-Container-Meta", "X-Account-Meta",
        "PurgeOnDelete",
    }),
    "AWS::S3::Bucket": frozenset({"AccessControl", "Tags", "Tags.Key", "Tags.Value"}),
}  # fmt: skip

_NOT_ENCRYPTED = "every volume is a plain file on this machine, as it would look to the server"
_ONE_BUS = "volumes are block devices on no bus"
_ONE_DISK = "servers have one disk"
_ZONE = "there is one zone, nova"
_PROJECT = "there is one project, and all that is made belongs to it"
_PROVIDER = "every network is a bridge on this machine; none is led to a network of a provider"
_AGENTS = "one machine does the work of all agents"
_NO_NAMES = "no name server outside of the cloud has the names of floating IPs"
_NAMES = (
    "servers of the network resolve its names, as on a cloud whose DNS integration is configured; "
    "no other name server has them"
)

#: Properties that are kept → what differs here, as a plan tells it.
KEPT: Mapping[str, Mapping[str, str]] = {
    "OS::Nova::Server": {
        "admin_user": "Nova sets no user; the image's own and the user data's can log in",
        "admin_pass": "no password is set, as on clouds that do not inject one",
        "availability_zone": _ZONE,
        "diskConfig": "disks have no partitions",
        "scheduler_hints": "all servers are on this machine",
        "networks.tag": "it is not on the config drive",
        "block_device_mapping_v2.device_type": _ONE_BUS,
        "block_device_mapping_v2.disk_bus": _ONE_BUS,
        "block_device_mapping_v2.swap_size": "servers have the swap of this machine",
    },
    "OS::Cinder::Volume": {
        "availability_zone": _ZONE,
        "scheduler_hints": "all volumes are on this machine",
    },
    "OS::Cinder::EncryptedVolumeType": dict.fromkeys(
        ("provider", "control_location", "cipher", "key_size"), _NOT_ENCRYPTED
    ),
    "OS::Cinder::VolumeType": {
        "is_public": _PROJECT,
        "metadata": "every volume is a file on this machine",
    },
    "AWS::S3::Bucket": {"WebsiteConfiguration": "Swift serves no web pages here"},
    "OS::Octavia::LoadBalancer": {
        "provider": "haproxy on this machine is every provider",
        "tenant_id": _PROJECT,
    },
    "OS::Octavia::Listener": {"tenant_id": _PROJECT},
    "OS::Octavia::HealthMonitor": {"tenant_id": _PROJECT},
    "OS::Nova::ServerGroup": {
        "policies": "all servers are on this machine, whatever the policy",
        "rules": "all servers are on this machine, whatever the policy",
    },
    "OS::Nova::Flavor": {
        "ephemeral": _ONE_DISK,
        "swap": "servers have the swap of this machine",
        "tenants": _PROJECT,
    },
    "OS::Neutron::Net": {
        "shared": _PROJECT,
        "tenant_id": _PROJECT,
        "value_specs.provider:network_type": _PROVIDER,
        "value_specs.provider:physical_network": _PROVIDER,
        "value_specs.provider:segmentation_id": _PROVIDER,
        "availability_zone_hints": _ZONE,
    },
    "OS::Neutron::ProviderNet": {
        "network_type": _PROVIDER,
        "physical_network": _PROVIDER,
        "segmentation_id": _PROVIDER,
        "shared": _PROJECT,
        "tenant_id": _PROJECT,
        "availability_zone_hints": _ZONE,
    },
    "OS::Neutron::SubnetPool": {
        "default_quota": "there are no quotas",
        "shared": _PROJECT,
        "tenant_id": _PROJECT,
    },
    "OS::Neutron::AddressScope": {"shared": _PROJECT, "tenant_id": _PROJECT},
    "OS::Neutron::RBACPolicy": {
        "action": _PROJECT,
        "target_tenant": _PROJECT,
        "tenant_id": _PROJECT,
    },
    "OS::Neutron::QoSPolicy": {"shared": _PROJECT, "tenant_id": _PROJECT},
    "OS::Neutron::QoSBandwidthLimitRule": {"tenant_id": _PROJECT},
    "OS::Neutron::QoSDscpMarkingRule": {"tenant_id": _PROJECT},
    "OS::Neutron::Subnet": {"tenant_id": _PROJECT, "value_specs": _PROVIDER},
    "OS::Neutron::Port": {
        "propagate_uplink_status": "no port has an uplink of its own",
        "value_specs": _PROVIDER,
    },
    "OS::Neutron::Router": {
        "availability_zone_hints": _ZONE,
        "distributed": _AGENTS,
        "ha": _AGENTS,
        "tenant_id": _PROJECT,
        "value_specs": _PROVIDER,
    },
    "OS::Neutron::FloatingIP": {
        "dns_domain": _NO_NAMES,
        "dns_name": _NO_NAMES,
        "floating_subnet": "the network public has one subnet",
        "value_specs": _PROVIDER,
    },
}

_VOLUMES = (
    "this machine mounts file systems on volumes for its servers; swap, LVM, RAID and encryption "
    "on volumes do not work"
)
_ROOT = (
    "the root of a server that boots from a volume comes anew from the volume's image, and is not "
    "kept on the volume"
)
#: Properties that are honoured in part → what differs here.
DIFFERENT: Mapping[str, Mapping[str, str]] = {
    "OS::Nova::Server": {
        "block_device_mapping.volume_id": _VOLUMES,
        "block_device_mapping.snapshot_id": _VOLUMES,
        "block_device_mapping_v2.volume_id": _VOLUMES,
        "block_device_mapping_v2.snapshot_id": _VOLUMES,
    },
    "OS::Cinder::VolumeAttachment": {"volume_id": _VOLUMES},
    "OS::Neutron::AddressScope": {
        "ip_version": "routers forward between address scopes, and translate addresses of all",
    },
    "OS::Neutron::Net": {"dns_domain": _NAMES},
    "OS::Neutron::ProviderNet": {"dns_domain": _NAMES},
    "OS::Neutron::Port": {"dns_name": _NAMES},
}

#: Values that are honoured in part → what differs here.
DIFFERENT_VALUES: Mapping[tuple[str, str, object], str] = {
    ("OS::Nova::Server", "user_data_format", "SOFTWARE_CONFIG"): (
        "images that infraci builds boot with Heat's agents in them; elsewhere the image has to "
        "have them"
    ),
    ("OS::Nova::Server", "block_device_mapping.device_name", "vda"): _ROOT,
    ("OS::Nova::Server", "block_device_mapping.device_name", "/dev/vda"): _ROOT,
    ("OS::Nova::Server", "block_device_mapping_v2.boot_index", 0): _ROOT,
    ("OS::Neutron::Subnet", "ip_version", 6): (
        "servers have its addresses and routes from their start, no router advertises them, no "
        "IPv6 leads out of the cloud, and logins, metadata and signals go by IPv4"
    ),
}

#: Properties of which only some values mean something here.
VALUES: Mapping[tuple[str, str], tuple[object, ...]] = {
    ("OS::Nova::Server", "user_data_format"): ("RAW", "HEAT_CFNTOOLS", "SOFTWARE_CONFIG"),
    ("OS::Nova::Flavor", "is_public"): (True,),
    ("OS::Octavia::LoadBalancer", "provider"): ("amphora", "octavia"),
    ("OS::Octavia::Listener", "protocol"): ("HTTP", "HTTPS", "TCP"),
    ("OS::Octavia::Pool", "protocol"): ("HTTP", "HTTPS", "PROXY", "TCP"),
    ("OS::Octavia::Pool", "lb_algorithm"): ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"),
    ("OS::Octavia::HealthMonitor", "type"): ("HTTP", "HTTPS", "TCP", "TLS-HELLO"),
    ("OS::Neutron::Net", "admin_state_up"): (True,),
    ("OS::Neutron::Port", "admin_state_up"): (True,),
    ("OS::Neutron::Port", "binding:vnic_type"): ("normal",),
    ("OS::Neutron::ProviderNet", "admin_state_up"): (True,),
    ("OS::Neutron::Router", "admin_state_up"): (True,),
}  # fmt: skip

_HAPROXY = "load balancers are haproxy, which balances TCP only"
_NO_KEYS = "no key manager (Barbican) keeps the certificate with which it would end TLS"
_NO_ZAQAR = "the embedded cloud has no Zaqar"
_SIGNALS = {"ZAQAR_SIGNAL": _NO_ZAQAR}
_NOT_READ = (
    "Heat cannot read such signals of a wait condition, on any cloud: it takes the object that it "
    "has made itself for one, and fails"
)
_NO_HOOK = "Heat's agents have no hook for it in images that infraci builds"
_GROUPS = dict.fromkeys(
    ("atomic", "chef", "docker-cmd", "docker-compose", "kubelet", "salt"), _NO_HOOK
)
#: Values that Heat takes and the embedded cloud refuses → why.
REFUSED_VALUES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("OS::Octavia::Listener", "protocol"): {
        "UDP": _HAPROXY,
        "TERMINATED_HTTPS": _NO_KEYS,
        "PROXY": "Octavia has no such listeners, though Heat takes them: its pools speak PROXY",
    },
    ("OS::Octavia::Pool", "protocol"): {
        "UDP": _HAPROXY,
        "TERMINATED_HTTPS": "Octavia has no such pools, though Heat takes them",
    },
    ("OS::Octavia::Pool", "lb_algorithm"): {
        "SOURCE_IP_PORT": "only Octavia's provider for OVN has it",
    },
    ("OS::Octavia::HealthMonitor", "type"): {
        "PING": "haproxy would have to run a program for each ping",
        "UDP-CONNECT": _HAPROXY,
        "SCTP": _HAPROXY,
    },
    ("OS::Nova::Server", "software_config_transport"): {
        "ZAQAR_MESSAGE": _NO_ZAQAR,
    },
    ("OS::Heat::WaitConditionHandle", "signal_transport"): {
        "TEMP_URL_SIGNAL": _NOT_READ,
        **_SIGNALS,
    },
    **{
        (f"OS::Heat::{kind}Deployment{number}", "signal_transport"): _SIGNALS
        for kind in ("Software", "Structured")
        for number in ("", "Group", "s")
    },
    ("OS::Heat::SoftwareConfig", "group"): _GROUPS,
    ("OS::Heat::StructuredConfig", "group"): _GROUPS,
    ("OS::Heat::SoftwareComponent", "configs.tool"): _GROUPS,
}
