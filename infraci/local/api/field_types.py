"""Checks the types of the fields in requests' bodies, by the fields' names.

Nova and Neutron have a schema for each request. Their fields' names mean the same in all of them,
as far as the embedded cloud knows them, so one table is enough to refuse what none of them takes.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Fields that hold text, besides those whose names end in ``_id``.
_TEXT = frozenset({
    "id", "uuid", "name", "description", "cidr", "start", "end", "destination", "nexthop",
    "gateway_ip", "ip_address", "mac_address", "fixed_ip", "fixed_ip_address",
    "floating_ip_address", "direction", "ethertype", "remote_ip_prefix", "device_owner",
    "binding:host_id", "binding:vnic_type", "imageRef", "key_name", "public_key", "user_data",
    "availability_zone", "hostname", "type", "source_volid", "volume_type", "volumeId", "device",
    "device_name", "source_type", "destination_type", "guest_format",
})  # fmt: skip
#: Numbers, which clients send as text as well.
_NUMBERS = frozenset({
    "ip_version", "port_range_min", "port_range_max", "protocol", "flavorRef", "min_count",
    "max_count", "prefixlen", "size", "volume_size", "boot_index", "new_size",
})  # fmt: skip
_BOOLEANS = frozenset({
    "admin_state_up", "enable_dhcp", "enable_snat", "port_security_enabled", "shared",
    "router:external", "config_drive", "stateful", "delete_on_termination",
})  # fmt: skip
_OBJECTS = frozenset({"external_gateway_info", "metadata", "os:scheduler_hints", "binding:profile"})
#: Lists, and what is in them.
_LISTS = {
    **dict.fromkeys(("tags", "dns_nameservers"), str),
    **dict.fromkeys(
        (
            *("allocation_pools", "host_routes", "fixed_ips", "allowed_address_pairs", "routes"),
            *("external_fixed_ips", "block_device_mapping_v2", "block_device_mapping"),
        ),
        dict,
    ),
}


def type_errors(value: object, where: str) -> Iterator[str]:
    """The fields that hold a value of a wrong type, each in a sentence."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from type_errors(item, f"{where}[{number}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            expected = _expected_type(name, inner)
            if expected:
                yield f"{where}.{name} is not {expected}."
            elif name != "metadata":  # the client chooses its names
                yield from type_errors(inner, f"{where}.{name}")


def _expected_type(name: str, value: object) -> str:
    """The type that a field should have; empty if its value has it."""
    if value is None:
        return ""
    if name in _OBJECTS:
        return "" if isinstance(value, dict) else "an object"
    if name in _LISTS:
        inner = _LISTS[name]
        is_fit = isinstance(value, list) and all(isinstance(item, inner) for item in value)
        return "" if is_fit else f"a list of {'text' if inner is str else 'objects'}"
    if name in _BOOLEANS:
        is_fit = isinstance(value, bool) or str(value).lower() in ("true", "false", "0", "1")
        return "" if is_fit else "true or false"
    if name in _NUMBERS:
        return "" if isinstance(value, int | str) else "a number"
    if name in _TEXT or name.endswith("_id"):
        return "" if isinstance(value, str) else "text"
    return ""
