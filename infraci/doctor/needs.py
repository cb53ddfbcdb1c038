"""Counts what a stack takes of its project's quotas, from Heat's preview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from infraci.heat import PreviewResource
from infraci.heat.capacity import Size

_COUNTED = {
    "OS::Nova::Server": "servers",
    "OS::Nova::ServerGroup": "server groups",
    "OS::Neutron::Net": "networks",
    "OS::Neutron::Subnet": "subnets",
    "OS::Neutron::Port": "ports",
    "OS::Neutron::RouterInterface": "ports",
    "OS::Octavia::LoadBalancer": "ports",  # of its VIP
    "OS::Neutron::Router": "routers",
    "OS::Neutron::FloatingIP": "floating IPs",
    "OS::Neutron::SecurityGroup": "security groups",
    "OS::Neutron::SecurityGroupRule": "security group rules",
    "OS::Cinder::Volume": "volumes",
}
#: Neutron gives each new group rules for outgoing IPv4 and IPv6.
_RULES_OF_A_GROUP = 2


def needs_of(resources: Iterable[PreviewResource], sizes: Mapping[str, Size]) -> Counter[str]:
    """Count what resources take of each quota; ``resources`` includes nested ones."""
    needs: Counter[str] = Counter()
    for resource in resources:
        kind = _COUNTED.get(resource.type)
        if kind is not None:
            needs[kind] += 1
        if resource.type == "OS::Nova::Server":
            needs += _of_server(resource.properties, sizes)
        elif resource.type == "OS::Neutron::Subnet":
            needs["ports"] += resource.properties.get("enable_dhcp") is not False  # its DHCP port
        elif resource.type == "OS::Neutron::SecurityGroup":
            needs["security group rules"] += _RULES_OF_A_GROUP + len(
                _list(resource.properties.get("rules"))
            )
        elif resource.type == "OS::Cinder::Volume":
            needs["GB of volumes"] += _number(resource.properties.get("size"))
    return +needs


def _of_server(properties: Mapping[str, object], sizes: Mapping[str, Size]) -> Counter[str]:
    needs: Counter[str] = Counter()
    size = sizes.get(str(properties.get("flavor")))
    if size is not None:
        needs += Counter({"cores": size.vcpus, "MB of RAM": size.ram_mb})
    for nic in _list(properties.get("networks")):
        needs["ports"] += isinstance(nic, Mapping) and not nic.get("port")
    for device in _list(properties.get("block_device_mapping_v2")):
        if isinstance(device, Mapping) and (device.get("image") or device.get("snapshot_id")):
            needs += Counter({"volumes": 1, "GB of volumes": _number(device.get("volume_size"))})
    return needs


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> int:
    """A size; zero if Heat does not know it yet."""
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else 0
