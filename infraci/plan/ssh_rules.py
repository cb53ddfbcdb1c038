"""Servers whose security groups let no login in, seen in a template before there is any.

Only what is plain is told: where a group or a rule is made by a function of Heat's, or is on the
cloud already, nothing is said of its servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infraci.heat import LOCAL
from infraci.heat.security_groups import DEFAULT_GROUP, Rule, accepts_tcp
from infraci.model.problem import quoted
from infraci.plan.logins import servers_declared
from infraci.templates import StackRequest, nested_templates, registry, resolve, values_given

_GROUP = "OS::Neutron::SecurityGroup"
_RULE = "OS::Neutron::SecurityGroupRule"
_PORT = "OS::Neutron::Port"
_NET = "OS::Neutron::Net"
_SSH = 22
#: What decides whether a rule lets a login in.
_PORTS = ("port_range_min", "port_range_max")
_DECIDING = ("direction", "protocol", *_PORTS)


class _NotPlainError(Exception):
    """The template does not show it."""


def security_notices(
    request: StackRequest,
    *,
    cloud: str,
    default_rules: Callable[[], Sequence[Rule] | None],
) -> Iterator[str]:
    """Which servers no rule lets logins in to, and which rely on the group `default`.

    ``default_rules`` asks the cloud for that group's rules, if any server has it.
    """
    known = registry(request.environment)
    nested = nested_templates(request.files).values()
    readings = [
        _Reading(template=template, given=given, known=known, others=others)
        for template, given, others in (
            (request.template, values_given(request), tuple(nested)),
            *((one, {}, (request.template,)) for one in nested),
        )
    ]
    relying: dict[str, None] = {}
    for reading in readings:
        for name, properties in servers_declared(reading.template, known):
            try:
                groups = reading.groups_of(properties)
                is_open = groups is None or any(map(reading.is_open, groups - {DEFAULT_GROUP}))
            except _NotPlainError:
                continue
            if is_open or groups is None:
                continue
            by_default = default_rules() if DEFAULT_GROUP in groups else ()
            if by_default is None or any(accepts_tcp(rule, _SSH) for rule in by_default):
                relying[name] = None
                continue
            has = f"it has {quoted(sorted(groups), 'and')}" if groups else "it has none"
            yield (
                f"cannot log in to {name}: no security group of it allows tcp/{_SSH} in ({has});"
                f" add a rule {{protocol: tcp, port_range_min: {_SSH}, port_range_max: {_SSH}}}"
            )
    if relying and cloud == LOCAL:
        yield (
            f'the security group "{DEFAULT_GROUP}" of {quoted(list(relying), "and")} lets in tcp/22'
            " and ICMP on the embedded cloud; another cloud's does so only if its project has such"
            " rules (INFRACI_CLOUD_DEFAULT_GROUP=neutron takes them away here)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A template, as far as it is plain."""

    template: Mapping[str, Any]
    given: Mapping[str, object]
    known: Mapping[str, str]
    #: The templates beside it, which may add rules to a group of its.
    others: tuple[Mapping[str, Any], ...]

    def groups_of(self, server: Mapping[str, Any]) -> frozenset[str] | None:
        """The groups of all of a server's ports; None if one is not guarded at all."""
        own = server.get("security_groups") or [DEFAULT_GROUP]
        entries = server.get("networks")
        if entries is None:
            entries = [{}]
        names: set[str] = set()
        for entry in _list(entries):
            if not isinstance(entry, dict):
                raise _NotPlainError
            port = self._properties(entry["port"], _PORT) if entry.get("port") else None
            groups = own if port is None else port.get("security_groups", [DEFAULT_GROUP])
            guarded = entry if port is None else port
            if not self._is_guarded(guarded):
                return None
            names.update(self._group(group) for group in _list(groups))
        return frozenset(names)

    def is_open(self, group: str) -> bool:
        """Whether a group of the template lets logins in, from any address."""
        rules = _list(self._properties({"get_resource": group}, _GROUP).get("rules") or [])
        if any(_holds(other, _RULE, self.known) for other in self.others):
            raise _NotPlainError
        for resource in self._resources().values():
            if resolve(str(resource.get("type")), self.known) == _RULE:
                properties = resource.get("properties") or {}
                if self._group(properties.get("security_group")) == group:
                    rules = [*rules, properties]
            elif _holds(resource, _RULE, self.known):
                raise _NotPlainError
        return any(accepts_tcp(self._rule(rule), _SSH) for rule in rules)

    def _rule(self, properties: object) -> Rule:
        """A rule as Neutron keeps it."""
        if not isinstance(properties, dict):
            raise _NotPlainError
        rule = {"direction": "ingress", "ethertype": "IPv4"}
        set_keys = [key for key in _DECIDING if properties.get(key) is not None]
        plain = {key: self._value(properties[key]) for key in set_keys}
        ports = [plain[key] for key in _PORTS if key in plain]
        if not all(str(port).isascii() and str(port).isdigit() for port in ports):
            raise _NotPlainError  # Heat refuses it
        return {**rule, **plain}

    def _value(self, value: object) -> object:
        if isinstance(value, dict) and set(value) == {"get_param"}:
            value = self._parameter(value["get_param"])
        if isinstance(value, dict | list):
            raise _NotPlainError
        return value

    def _parameter(self, name: object) -> object:
        declared = (self.template.get("parameters") or {}).get(name)
        value = self.given.get(str(name), (declared or {}).get("default"))
        if value is None or not isinstance(name, str):
            raise _NotPlainError
        return value

    def _group(self, reference: object) -> str:
        """The name of a group's resource in the template, or `default`."""
        if isinstance(reference, dict) and "get_resource" in reference:
            name = str(reference["get_resource"])
        else:
            name_or_id = self._value(reference)
            if name_or_id == DEFAULT_GROUP:
                return DEFAULT_GROUP
            called = {
                str((resource.get("properties") or {}).get("name")): key
                for key, resource in self._resources().items()
                if resource.get("type") == _GROUP
            }
            if name_or_id not in called:
                raise _NotPlainError
            name = called[str(name_or_id)]
        self._properties({"get_resource": name}, _GROUP)
        return name

    def _properties(self, reference: object, kind: str) -> Mapping[str, Any]:
        """The properties of a resource of that type that is referred to."""
        name = reference.get("get_resource") if isinstance(reference, dict) else None
        resource = self._resources().get(str(name), {})
        if resolve(str(resource.get("type")), self.known) != kind:
            raise _NotPlainError
        properties = resource.get("properties") or {}
        if not isinstance(properties, dict):
            raise _NotPlainError
        return properties

    def _is_guarded(self, port: Mapping[str, Any]) -> bool:
        """Whether a port, or that of a server's network, has port security."""
        is_secured = port.get("port_security_enabled")
        network = port.get("network", port.get("network_id", port.get("uuid")))
        if is_secured is None and isinstance(network, dict) and "get_resource" in network:
            is_secured = self._properties(network, _NET).get("port_security_enabled")
        value = self._value(is_secured)
        return value is None or str(value).lower() in ("true", "t", "1", "yes", "y", "on")

    def _resources(self) -> Mapping[str, Mapping[str, Any]]:
        resources = self.template.get("resources")
        mapping = resources if isinstance(resources, dict) else {}
        return {name: one for name, one in mapping.items() if isinstance(one, dict)}


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _NotPlainError
    return value


def _holds(node: object, kind: str, known: Mapping[str, str]) -> bool:
    """Whether a resource of that type is somewhere within."""
    if isinstance(node, dict):
        return resolve(str(node.get("type")), known) == kind or any(
            _holds(inner, kind, known) for inner in node.values()
        )
    return isinstance(node, list) and any(_holds(inner, kind, known) for inner in node)
