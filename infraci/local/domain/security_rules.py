"""A rule of a security group as Neutron takes it: what is wrong with it, and what it means.

Source: neutron/db/securitygroups_db.py and neutron/extensions/securitygroup.py; the words of
errors are Neutron's.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from infraci.local.domain.records import SecurityGroupRule
from infraci.local.errors import InvalidRequestError
from infraci.local.host.port_filter import FilterRule

#: Neutron's names of protocols (neutron_lib.constants.IP_PROTOCOL_MAP).
PROTOCOLS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58,
    "igmp": 2, "ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
    "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}  # fmt: skip
_ICMP, _ICMPV6 = 1, 58
_WITH_PORTS = {33: "dccp", 132: "sctp", 6: "tcp", 17: "udp", 136: "udplite"}
_IPV6_ONLY = frozenset({41, 43, 44, 58, 59, 60})
_ALL = ("0.0.0.0/0", "::/0", None)


def canonical(rule: SecurityGroupRule) -> SecurityGroupRule:
    """Return a rule as Neutron keeps it. Raises InvalidRequestError."""
    if rule.direction not in ("ingress", "egress"):
        raise _invalid(
            f"Invalid input for direction. Reason: '{rule.direction}' is not in"
            " ['ingress', 'egress']."
        )
    ethertype = _ethertype(rule.ethertype)
    rule = replace(rule, ethertype=ethertype, protocol=_protocol(rule.protocol, ethertype))
    if (rule.port_range_min, rule.port_range_max) == (1, 65535):
        rule = replace(rule, port_range_min=None, port_range_max=None)
    _validate_ports(rule)
    rule = replace(rule, remote_ip_prefix=_prefix(rule))
    if _number(rule.protocol) in _IPV6_ONLY and ethertype == "IPv4":
        raise _invalid(
            f"Invalid ethertype {ethertype} for protocol {rule.protocol}.",
            "SecurityGroupEthertypeConflictWithProtocol",
        )
    if rule.remote_ip_prefix and rule.remote_group_id:
        raise _invalid(
            "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be"
            " provided.",
            "SecurityGroupMultipleRemoteEntites",
        )
    return rule


def identity(rule: SecurityGroupRule) -> tuple[str | int | None, ...]:
    """Return what two rules must not have in common, of one group."""
    return (
        *(rule.security_group_id, rule.direction, rule.ethertype, _number(rule.protocol)),
        *(rule.port_range_min, rule.port_range_max, rule.remote_group_id),
        None if rule.remote_ip_prefix in _ALL else rule.remote_ip_prefix,
    )


def filter_rule(rule: SecurityGroupRule) -> FilterRule:
    """Return what a rule means for packets."""
    return FilterRule(
        direction=rule.direction,
        ethertype=rule.ethertype,
        protocol=_number(rule.protocol),
        port_min=rule.port_range_min,
        port_max=rule.port_range_max,
        remote_prefix=rule.remote_ip_prefix,
        remote_group=rule.remote_group_id,
    )


def _number(protocol: str | None) -> int | None:
    if protocol is None:
        return None
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def _ethertype(value: object) -> str:
    for ethertype in ("IPv4", "IPv6"):
        if str(value).lower() == ethertype.lower():
            return ethertype
    raise _invalid(
        f"Security group rule for ethertype '{value}' not supported. Allowed values are"
        " ['IPv4', 'IPv6'].",
        "SecurityGroupRuleInvalidEtherType",
    )


def _protocol(value: object, ethertype: str) -> str | None:
    if value is None:
        return None
    text = str(value).lower()
    if text not in PROTOCOLS and not (text.isdecimal() and int(text) <= 255):
        raise _invalid(
            f"Security group rule protocol {value} not supported. Only protocol values"
            f" {[None, *PROTOCOLS]} and integer representations [0 to 255] are supported.",
            "SecurityGroupRuleInvalidProtocol",
        )
    if ethertype == "IPv6":
        return {"icmp": "ipv6-icmp", "icmpv6": "ipv6-icmp", "1": "58"}.get(text, text)
    return text


def _validate_ports(rule: SecurityGroupRule) -> None:
    first, last = rule.port_range_min, rule.port_range_max
    for port in (first, last):
        if port is not None and not 0 <= port <= 65535:
            raise _invalid(f"Invalid value for port {port}", "SecurityGroupInvalidPortValue")
    if first is None and last is None:
        return
    if rule.protocol is None:
        raise _invalid(
            "Must also specify protocol if port range is given.",
            "SecurityGroupProtocolRequiredWithPorts",
        )
    protocol = _number(rule.protocol)
    if protocol in (_ICMP, _ICMPV6):
        _validate_icmp(first, last)
    elif protocol not in _WITH_PORTS:
        raise _invalid(
            f"Ports cannot be specified for protocol {protocol}. Ports are only supported for"
            f" {', '.join(name.upper() for name in _WITH_PORTS.values())}.",
            "SecurityGroupInvalidProtocolForPort",
        )
    elif 0 in (first, last):
        raise _invalid("Invalid value for port 0", "SecurityGroupInvalidPortValue")
    elif first is None or last is None or first > last:
        raise _invalid(
            "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            "SecurityGroupInvalidPortRange",
        )


def _validate_icmp(kind: int | None, code: int | None) -> None:
    for field, attribute, value in (
        ("type", "port_range_min", kind),
        ("code", "port_range_max", code),
    ):
        if value is not None and value > 255:
            raise _invalid(
                f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.",
                "SecurityGroupInvalidIcmpValue",
            )
    if kind is None:
        raise _invalid(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is"
            " missing.",
            "SecurityGroupMissingIcmpType",
        )


def _prefix(rule: SecurityGroupRule) -> str | None:
    """The CIDR of a rule, with the length of its prefix, its host bits as they were given."""
    given = rule.remote_ip_prefix
    if not given:
        return None
    try:
        interface = ipaddress.ip_interface(str(given))
    except ValueError:
        raise _invalid(f"Invalid CIDR {given} given as IP prefix.", "InvalidCIDR") from None
    if rule.ethertype != f"IPv{interface.version}":
        raise _invalid(
            f"Conflicting value ethertype {rule.ethertype} for CIDR {given}",
            "SecurityGroupRuleParameterConflict",
        )
    return str(interface)


def _invalid(message: str, neutron_type: str = "HTTPBadRequest") -> InvalidRequestError:
    return InvalidRequestError(message, neutron_type=neutron_type)
