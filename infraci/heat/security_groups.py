"""Whether security groups let a login in, as Neutron's rules decide it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infraci.heat.openstack_connection import Connection

Rule = Mapping[str, Any]

_TCP = (None, "tcp", "6", "ip", "0")
#: The name of the group that a port has when none is named for it.
DEFAULT_GROUP = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Whether a server's ports let TCP connections to a port of theirs in."""

    is_open: bool
    #: The names of the groups that decide it.
    groups: tuple[str, ...] = ()


def accepts_tcp(rule: Rule, port: int, *, source: str | None = None) -> bool:
    """Whether a rule lets TCP connections to a port in.

    ``source`` is the address of the client, which is in no group; None for one of which nothing
    is known: then a rule counts whatever its remote is.
    """
    if rule.get("direction") != "ingress" or str(rule.get("protocol") or "ip").lower() not in _TCP:
        return False
    first, last = rule.get("port_range_min"), rule.get("port_range_max")
    if first is not None and last is not None and not int(first) <= port <= int(last):
        return False
    if source is None:
        return True
    prefix = rule.get("remote_ip_prefix")
    if rule.get("remote_group_id") or rule.get("remote_address_group_id"):
        return False
    if not prefix:
        version = 6 if rule.get("ethertype") == "IPv6" else 4
        return ipaddress.ip_address(source).version == version
    return ipaddress.ip_address(source) in ipaddress.ip_network(str(prefix), strict=False)


def read_admission(
    connection: Connection, server_id: str, port: int, *, source: str | None
) -> Admission:
    """Ask Neutron whether a server lets TCP connections in, by whichever card. Raises CloudError.

    Two requests. A server without any port there (its cloud has no Neutron) counts as open.
    """
    answer = connection.ask(
        f"list the ports of server {server_id}",
        "network",
        "GET",
        "/ports",
        params={"device_id": server_id},
    )
    ports = answer["ports"]
    if not all(entry.get("port_security_enabled", True) for entry in ports) or not ports:
        return Admission(is_open=True)
    ids = {group for entry in ports for group in entry.get("security_groups") or ()}
    groups = [group for group in _read_groups(connection) if group["id"] in ids]
    if len(groups) < len(ids):  # one that this account may not see
        return Admission(is_open=True)
    rules = [rule for group in groups for rule in group["security_group_rules"]]
    return Admission(
        is_open=any(accepts_tcp(rule, port, source=source) for rule in rules),
        groups=tuple(sorted(group["name"] for group in groups)),
    )


def read_default_rules(connection: Connection) -> Sequence[Rule] | None:
    """The rules of the project's group `default`; None where it cannot be told which it is.

    Raises CloudError.
    """
    defaults = [group for group in _read_groups(connection) if group["name"] == DEFAULT_GROUP]
    return defaults[0]["security_group_rules"] if len(defaults) == 1 else None


def _read_groups(connection: Connection) -> Sequence[Mapping[str, Any]]:
    answer = connection.ask("list security groups", "network", "GET", "/security-groups")
    groups: Sequence[Mapping[str, Any]] = answer["security_groups"]
    return groups
