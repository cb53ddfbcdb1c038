"""Neutron's nouns as JSON: the form in which its API shows each of them, and takes it.

Source: https://docs.openstack.org/api-ref/network/v2/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import singledispatch
from typing import Any

from infraci.local.account import ZONE
from infraci.local.api.parse import addresses, flag, gateway, number, objects, text, texts
from infraci.local.api.web import Document
from infraci.local.domain.port_names import PortName
from infraci.local.domain.records import (
    AddressPair,
    AddressScope,
    FloatingIp,
    Network,
    NeutronRecord,
    Pool,
    Port,
    RbacPolicy,
    Route,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
    SubnetPool,
)
from infraci.local.errors import InvalidRequestError
from infraci.model.nova_limits import check_name

#: A field that a client may set, but of which the embedded cloud makes nothing.
_IGNORED = None

_Field = tuple[str, Callable[[Any], object]] | None


def _same(parse: Callable[[Any], object], *names: str) -> dict[str, _Field]:
    """Fields whose names are those of the record's."""
    return {name: (name, parse) for name in names}


_COMMON: dict[str, _Field] = {
    **_same(text, "description", "project_id"),
    "tenant_id": ("project_id", text),
    "tags": ("tags", texts),
}
_NAMED: dict[str, _Field] = {**_COMMON, "name": ("name", text)}
_UP = _same(flag, "admin_state_up")

#: What a client may set: kind → field → the record's field, and its parser.
SETTABLE: Mapping[type[NeutronRecord], Mapping[str, _Field]] = {
    Network: {
        **_NAMED,
        **_UP,
        **_same(flag, "shared", "port_security_enabled"),
        "router:external": ("is_external", flag),
        **_same(number, "mtu"),
        **_same(texts, "availability_zone_hints"),
        **_same(text, "dns_domain", "qos_policy_id"),
        "provider:network_type": ("network_type", text),
        "provider:physical_network": ("physical_network", text),
        "provider:segmentation_id": ("segmentation_id", number),
    },
    Subnet: {
        **_NAMED,
        **_same(text, "network_id", "cidr", "gateway_ip", "subnetpool_id", "segment_id"),
        **_same(text, "ipv6_ra_mode", "ipv6_address_mode"),
        **_same(number, "ip_version"),
        **_same(flag, "enable_dhcp"),
        **_same(objects(Pool), "allocation_pools"),
        **_same(texts, "dns_nameservers"),
        **_same(objects(Route), "host_routes"),
        **_same(number, "prefixlen"),
    },
    Port: {
        **_NAMED,
        **_UP,
        **_same(text, "network_id", "mac_address", "device_id", "device_owner"),
        **_same(addresses, "fixed_ips"),
        **_same(texts, "security_groups"),
        **_same(objects(AddressPair), "allowed_address_pairs"),
        **_same(flag, "port_security_enabled"),
        **_same(text, "dns_name", "qos_policy_id"),
        "propagate_uplink_status": _IGNORED,
        "binding:vnic_type": ("vnic_type", text),
        "binding:host_id": ("binding_host", text),
        "binding:profile": _IGNORED,
    },
    Router: {
        **_NAMED,
        **_UP,
        **_same(gateway, "external_gateway_info"),
        **_same(objects(Route), "routes"),
        **_same(flag, "distributed", "ha"),
        **_same(texts, "availability_zone_hints"),
    },
    FloatingIp: {
        **_COMMON,
        **_same(text, "floating_network_id", "floating_ip_address", "port_id", "fixed_ip_address"),
        **_same(text, "dns_name", "dns_domain"),
        "subnet_id": _IGNORED,
    },
    AddressScope: {**_NAMED, **_same(number, "ip_version"), **_same(flag, "shared")},
    SubnetPool: {
        **_NAMED,
        **_same(texts, "prefixes"),
        **_same(number, "default_prefixlen", "min_prefixlen", "max_prefixlen", "default_quota"),
        **_same(text, "address_scope_id"),
        **_same(flag, "is_default", "shared"),
    },
    RbacPolicy: {
        **{name: field for name, field in _COMMON.items() if name not in ("tags", "description")},
        **_same(text, "object_type", "object_id", "action", "target_tenant"),
    },
    SecurityGroup: {**_NAMED, **_same(flag, "stateful")},
    SecurityGroupRule: {
        **{name: field for name, field in _COMMON.items() if name != "tags"},
        **_same(text, "security_group_id", "direction", "ethertype", "protocol"),
        **_same(number, "port_range_min", "port_range_max"),
        **_same(text, "remote_ip_prefix", "remote_group_id"),
    },
}

#: What a client must say of a new one.
_REQUIRED: Mapping[type[NeutronRecord], tuple[str, ...]] = {
    Subnet: ("network_id",),
    SubnetPool: ("prefixes",),
    AddressScope: ("ip_version",),
    RbacPolicy: ("object_type", "object_id", "action", "target_tenant"),
    Port: ("network_id",),
    FloatingIp: ("floating_network_id",),
    SecurityGroupRule: ("security_group_id",),
}

#: What a client may not say of a new one, but of one that is there.
_LATER: Mapping[type[NeutronRecord], tuple[str, ...]] = {Router: ("routes",)}

#: Where null says something: there is no gateway, no port, no policy.
_NULLABLE = frozenset(
    {
        "gateway_ip",
        "external_gateway_info",
        "port_id",
        "fixed_ip_address",
        "qos_policy_id",
        "address_scope_id",
    }
)


def parse_new(kind: type[NeutronRecord], body: Document) -> dict[str, Any]:
    """The fields of a new record, from a request's object."""
    for name in _REQUIRED.get(kind, ()):
        if body.get(name) is None:
            raise InvalidRequestError(
                f"Failed to parse request. Required attribute '{name}' not specified"
            )
    for name in _LATER.get(kind, ()):
        if name in body:
            raise InvalidRequestError(f"Attribute '{name}' not allowed in POST")
    return parse_fields(kind, body)


def parse_fields(kind: type[NeutronRecord], body: Document) -> dict[str, Any]:
    """The fields that a request's object sets; refuses what a client may not set."""
    unknown = sorted(body.keys() - SETTABLE[kind])
    if unknown:
        raise InvalidRequestError(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
    for excess in check_name(str(body.get("name") or "")):
        raise InvalidRequestError(f"Invalid input for name. Reason: {excess.message}.")
    parsed: dict[str, Any] = {}
    for key, value in body.items():
        field = SETTABLE[kind][key]
        if field is not _IGNORED and (value is not None or key in _NULLABLE):
            name, parse = field
            parsed[name] = None if value is None else parse(value)
    return parsed


def _common(record: NeutronRecord) -> Document:
    return {
        "id": record.id,
        "tenant_id": record.project_id,
        "project_id": record.project_id,
        "description": record.description,
        "tags": list(record.tags),
    }


@singledispatch
def to_json(record: NeutronRecord) -> Document:
    """A record as the API shows it."""
    raise NotImplementedError(record.kind)


@to_json.register
def _(network: Network) -> Document:
    shown = {
        **_common(network), "name": network.name, "status": "ACTIVE",
        "admin_state_up": network.admin_state_up, "shared": network.shared,
        "router:external": network.is_external, "subnets": list(network.subnets),
        "mtu": network.mtu, "port_security_enabled": network.port_security_enabled,
        "availability_zones": [ZONE],
        "availability_zone_hints": list(network.availability_zone_hints),
        "qos_policy_id": network.qos_policy_id, "dns_domain": network.dns_domain,
        "provider:network_type": network.network_type,
        "provider:physical_network": network.physical_network,
        "provider:segmentation_id": network.segmentation_id,
    }  # fmt: skip
    return shown | ({"is_default": True} if network.is_default else {})


@to_json.register
def _(subnet: Subnet) -> Document:
    return {
        **_common(subnet), "network_id": subnet.network_id, "name": subnet.name,
        "cidr": subnet.cidr, "ip_version": subnet.ip_version, "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.enable_dhcp, "allocation_pools": _objects(subnet.allocation_pools),
        "dns_nameservers": list(subnet.dns_nameservers),
        "host_routes": _objects(subnet.host_routes),
        "ipv6_address_mode": subnet.ipv6_address_mode, "ipv6_ra_mode": subnet.ipv6_ra_mode,
        "subnetpool_id": subnet.subnetpool_id, "segment_id": subnet.segment_id,
        "service_types": [],
    }  # fmt: skip


def port_to_json(port: Port, names: Iterable[PortName]) -> Document:
    """A port as the API shows it, with its names."""
    assignments = [
        {"ip_address": name.ip_address, "hostname": name.hostname, "fqdn": f"{name.full}."}
        for name in names
    ]
    shown = {
        **_common(port), "network_id": port.network_id, "name": port.name, "status": port.status,
        "admin_state_up": port.admin_state_up, "mac_address": port.mac_address,
        "fixed_ips": _objects(port.fixed_ips), "device_id": port.device_id,
        "device_owner": port.device_owner, "security_groups": list(port.security_groups),
        "allowed_address_pairs": _objects(port.allowed_address_pairs), "extra_dhcp_opts": [],
        "port_security_enabled": port.port_security_enabled,
        "binding:vnic_type": port.vnic_type, "qos_policy_id": port.qos_policy_id,
        "dns_name": port.dns_name, "dns_assignment": assignments, "propagate_uplink_status": False,
    }  # fmt: skip
    return shown | ({"binding:host_id": port.binding_host} if port.binding_host else {})


@to_json.register
def _(router: Router) -> Document:
    info = router.external_gateway_info
    return {
        **_common(router), "name": router.name, "status": "ACTIVE",
        "admin_state_up": router.admin_state_up,
        "external_gateway_info": info and {
            "network_id": info.network_id, "enable_snat": info.enable_snat,
            "external_fixed_ips": _objects(info.external_fixed_ips),
        },
        "routes": _objects(router.routes), "distributed": router.distributed, "ha": router.ha,
        "availability_zones": [ZONE], "flavor_id": None,
        "availability_zone_hints": list(router.availability_zone_hints),
    }  # fmt: skip


@to_json.register
def _(scope: AddressScope) -> Document:
    return {
        **_common(scope), "name": scope.name, "ip_version": scope.ip_version,
        "shared": scope.shared,
    }  # fmt: skip


@to_json.register
def _(pool: SubnetPool) -> Document:
    return {
        **_common(pool), "name": pool.name, "prefixes": list(pool.prefixes),
        "ip_version": pool.ip_version, "default_prefixlen": str(pool.default_prefixlen),
        "min_prefixlen": str(pool.min_prefixlen), "max_prefixlen": str(pool.max_prefixlen),
        "default_quota": pool.default_quota, "address_scope_id": pool.address_scope_id,
        "is_default": pool.is_default, "shared": pool.shared,
    }  # fmt: skip


@to_json.register
def _(policy: RbacPolicy) -> Document:
    return {
        "id": policy.id, "project_id": policy.project_id, "tenant_id": policy.project_id,
        "object_type": policy.object_type, "object_id": policy.object_id,
        "action": policy.action, "target_tenant": policy.target_tenant,
    }  # fmt: skip


@to_json.register
def _(floating: FloatingIp) -> Document:
    return {
        **_common(floating), "floating_network_id": floating.floating_network_id,
        "floating_ip_address": floating.floating_ip_address, "status": floating.status,
        "port_id": floating.port_id, "fixed_ip_address": floating.fixed_ip_address,
        "router_id": floating.router_id, "dns_name": floating.dns_name,
        "dns_domain": floating.dns_domain, "qos_policy_id": None,
        "port_details": None,
    }  # fmt: skip


@to_json.register
def _(rule: SecurityGroupRule) -> Document:
    shown = asdict(rule)
    del shown["tags"]
    return {**shown, "tenant_id": rule.project_id}


def group_to_json(group: SecurityGroup, rules: Iterable[SecurityGroupRule]) -> Document:
    """A security group as the API shows it, with its rules."""
    return {
        **_common(group),
        "name": group.name,
        "stateful": group.stateful,
        "security_group_rules": [to_json(rule) for rule in rules],
    }


def interface_to_json(router_id: str, leg: Port) -> Document:
    """A router's interface, as the API shows what was added or removed."""
    subnet_ids = [fixed.subnet_id for fixed in leg.fixed_ips]
    return {
        "id": router_id,
        "network_id": leg.network_id,
        "port_id": leg.id,
        "subnet_id": subnet_ids[-1],
        "subnet_ids": subnet_ids,
    }


def _objects(values: Iterable[Any]) -> list[Document]:
    return [{k: v for k, v in asdict(value).items() if v is not None} for value in values]
