"""The records of the embedded cloud's nouns: what Nova, Neutron and Glance say of each.

Fields have the names that OpenStack's APIs give them, so that records which an earlier infraci has
stored can be read; those whose names are no identifiers are told by ``stored_as``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from infraci.local.account import PROJECT_ID
from infraci.local.domain.record import Record, stored_as

#: A subnet's gateway that is still to be chosen: the first address of its network.
FIRST_ADDRESS = "first"

#: A server that is being removed; Nova shows it as active, with a task.
DELETING = "DELETING"
#: Of a server whose processes are held.
FROZEN = ("PAUSED", "SUSPENDED")
#: Nova's statuses of servers → its names for their states; "building" for all others.
VM_STATES = {
    "ACTIVE": "active",
    "ERROR": "error",
    "PAUSED": "paused",
    "SHUTOFF": "stopped",
    "SUSPENDED": "suspended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A range of addresses, both ends included."""

    start: str
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route to a network, by an address."""

    destination: str
    nexthop: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIp:
    """An address that a port has in a subnet."""

    subnet_id: str
    ip_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPair:
    """An address, besides its own, from which a port may send."""

    ip_address: str
    mac_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutronRecord(Record):
    """What all nouns of Neutron's have."""

    noun: ClassVar[str]

    project_id: str = PROJECT_ID
    description: str = ""
    tags: tuple[str, ...] = ()


AnyNeutronRecord = TypeVar("AnyNeutronRecord", bound=NeutronRecord)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(NeutronRecord):
    """A network; its subnets in the order in which they were made."""

    kind = "network"
    noun = "Network"

    name: str = ""
    admin_state_up: bool = True
    shared: bool = False
    is_external: bool = field(default=False, metadata=stored_as("router:external"))
    is_default: bool = False
    subnets: tuple[str, ...] = ()
    #: 0 for the largest that there is.
    mtu: int = 0
    port_security_enabled: bool = True
    availability_zone_hints: tuple[str, ...] = ()
    dns_domain: str = ""
    network_type: str | None = field(default=None, metadata=stored_as("provider:network_type"))
    physical_network: str | None = field(
        default=None, metadata=stored_as("provider:physical_network")
    )
    segmentation_id: int | None = field(
        default=None, metadata=stored_as("provider:segmentation_id")
    )
    qos_policy_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet(NeutronRecord):
    """A subnet of a network."""

    kind = "subnet"
    noun = "Subnet"

    network_id: str
    name: str = ""
    #: Empty for one that is still to be taken from a pool.
    cidr: str = ""
    ip_version: int = 4
    gateway_ip: str | None = FIRST_ADDRESS
    enable_dhcp: bool = True
    allocation_pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[Route, ...] = ()
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None
    subnetpool_id: str | None = None
    segment_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(NeutronRecord):
    """A port of a network: of a server, of a router, of a floating IP, or free."""

    kind = "port"
    noun = "Port"

    network_id: str
    name: str = ""
    status: str = "DOWN"
    admin_state_up: bool = True
    mac_address: str = ""
    fixed_ips: tuple[FixedIp, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    port_security_enabled: bool = True
    dns_name: str = ""
    qos_policy_id: str | None = None
    vnic_type: str = field(default="normal", metadata=stored_as("binding:vnic_type"))
    binding_host: str = field(default="", metadata=stored_as("binding:host_id"))
    #: Which of its server's network cards it is, from 0.
    position: int = field(default=0, metadata=stored_as("infraci:position"))
    #: Whether it was made for its server, and goes with it.
    is_servers_own: bool = field(default=False, metadata=stored_as("infraci:by_nova"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A router's way to the external network."""

    network_id: str
    enable_snat: bool = True
    external_fixed_ips: tuple[FixedIp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Router(NeutronRecord):
    """A router; its interfaces are ports."""

    kind = "router"
    noun = "Router"

    name: str = ""
    admin_state_up: bool = True
    external_gateway_info: Gateway | None = None
    routes: tuple[Route, ...] = ()
    distributed: bool = False
    ha: bool = False
    availability_zone_hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIp(NeutronRecord):
    """An address of the external network, on a port or on none."""

    kind = "floatingip"
    noun = "FloatingIP"

    floating_network_id: str
    floating_ip_address: str = ""
    status: str = "DOWN"
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None
    dns_name: str = ""
    dns_domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup(NeutronRecord):
    """A security group; its rules are records of their own."""

    kind = "security_group"
    noun = "SecurityGroup"

    name: str = ""
    stateful: bool = True
    #: Of `default`: whether rules let SSH and ping in that Neutron does not make.
    is_open: bool = field(default=False, metadata=stored_as("infraci:is_open"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupRule(NeutronRecord):
    """A rule of a security group."""

    kind = "security_group_rule"
    noun = "SecurityGroupRule"

    security_group_id: str
    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressScope(NeutronRecord):
    """A scope in which the prefixes of subnet pools are unique."""

    kind = "address_scope"
    noun = "AddressScope"

    name: str = ""
    ip_version: int = 4
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetPool(NeutronRecord):
    """Prefixes of which subnets can be taken; lengths are 0 while they are left open."""

    kind = "subnetpool"
    noun = "SubnetPool"

    name: str = ""
    prefixes: tuple[str, ...] = ()
    ip_version: int = 0
    default_prefixlen: int = 0
    min_prefixlen: int = 0
    max_prefixlen: int = 0
    default_quota: int | None = None
    address_scope_id: str | None = None
    is_default: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RbacPolicy(NeutronRecord):
    """A noun of Neutron's shared with a project, which is the only one here."""

    kind = "rbac_policy"
    noun = "RbacPolicy"

    object_type: str
    object_id: str
    action: str
    target_tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QosPolicy(NeutronRecord):
    """A policy for the quality of service; its rules are records of their own."""

    kind = "qos_policy"
    noun = "QosPolicy"

    name: str = ""
    shared: bool = False
    is_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QosRule(NeutronRecord):
    """A rule of a policy for the quality of service; what is not of its type is 0."""

    kind = "qos_rule"
    noun = "QosRule"

    policy_id: str
    #: ``bandwidth_limit`` or ``dscp_marking``.
    type: str
    max_kbps: int = 0
    #: 0 for the default, which follows from ``max_kbps``.
    max_burst_kbps: int = 0
    direction: str = "egress"
    dscp_mark: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair(Record):
    """The public half of a key pair; its id is its name."""

    kind = "keypair"

    name: str
    public_key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Record):
    """A name that could be an image's."""

    kind = "image"

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor(Record):
    """A size of server: CPUs and memory become limits of its container where the machine can."""

    kind = "flavor"

    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    extra_specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup(Record):
    """Servers with a policy for where they run, which is this machine whatever it says."""

    kind = "server_group"

    name: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(Record):
    """An alarm of Aodh's, which is kept and never fires."""

    kind = "alarm"

    definition: Mapping[str, object]
    state: str = "insufficient data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a server is in the status ERROR."""

    created: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Record):
    """A server; its network cards are ports."""

    kind = "server"

    name: str
    status: str = "BUILD"
    image: str  # the image's id
    flavor: str
    key_name: str | None = None
    user_data: str | None = None  # in base64
    metadata: Mapping[str, str] = field(default_factory=dict)
    config_drive: bool = False
    description: str | None = None
    tags: tuple[str, ...] = ()
    hints: Mapping[str, object] = field(default_factory=dict)
    created: str = ""
    updated: str = ""
    #: The address on the host's bridge at which the host logs in to it.
    access: str | None = None
    fault: Fault | None = None
    #: Whether it boots from a volume, which has the image.
    boots_from_volume: bool = False
