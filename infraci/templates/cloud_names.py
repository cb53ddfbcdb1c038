"""Renames images, flavors and networks in a request to the names that a cloud has for them.

A template says ``debian-12``; one cloud calls that image ``Debian 12 (2025-06)``. Renamed are the
values, defaults and allowed values of parameters that Heat checks to be an image, flavor or network
(``custom_constraint``) or that a property of a known type gets, and literals in such properties,
through nested templates too. Everything else stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infraci.model.project import CloudDefinition
from infraci.templates.nested import nested_templates, registry, resolve
from infraci.templates.stack_request import StackRequest

Names = Mapping[str, str]

_CONSTRAINTS = {
    "glance.image": "images",
    "nova.flavor": "flavors",
    "neutron.network": "networks",
}
_NETWORKS = (
    "network",
    "network_id",
    "external_network",
    "external_network_id",
    "floating_network",
    "floating_network_id",
    "vip_network",
)
#: Properties by the beginning of the resource's type; at any depth, as in ``networks[].network``.
_PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "OS::Nova::": {
        "image": "images",
        "image_id": "images",
        "flavor": "flavors",
        "network": "networks",
        "uuid": "networks",
        "pool": "networks",
    },
    "OS::Cinder::": {"image": "images"},
    "AWS::": {"ImageId": "images", "InstanceType": "flavors"},
    "OS::Neutron::": dict.fromkeys(_NETWORKS, "networks"),
    "OS::Octavia::": dict.fromkeys(_NETWORKS, "networks"),
}
_OPAQUE = frozenset({"metadata", "user_data", "personality", "tags", "value_specs"})


def with_names(request: StackRequest, cloud: CloudDefinition) -> StackRequest:
    """The request with a cloud's own names for images, flavors and networks."""
    tables = {"images": cloud.images, "flavors": cloud.flavors, "networks": cloud.networks}
    if not any(tables.values()):
        return request
    renaming = _Renaming(tables, nested_templates(request.files), registry(request.environment))
    root = renaming.template(request.template)
    for url in renaming.nested:
        renaming.nested_template(url)
    everywhere = renaming.all_kinds() | root.kinds
    environment = dict(request.environment)
    for section, kinds in (("parameters", root.kinds), ("parameter_defaults", everywhere)):
        if isinstance(environment.get(section), dict):
            environment[section] = renaming.values(environment[section], kinds)
    files = {url: json.dumps(done.template) for url, done in renaming.done.items()}
    return replace(
        request,
        template=root.template,
        environment=environment,
        files={**request.files, **files},
        parameters=renaming.values(request.parameters, root.kinds),
    )


@dataclass(frozen=True, slots=True)
class _Renamed:
    template: dict[str, Any]
    kinds: dict[str, str]  # which parameters are an image, a flavor, a network


@dataclass(slots=True)
class _Renaming:
    tables: Mapping[str, Names]
    nested: Mapping[str, dict[str, Any]]
    registry: Mapping[str, str]
    done: dict[str, _Renamed] = field(default_factory=dict)

    def nested_template(self, url: str) -> _Renamed:
        if url not in self.done:
            self.done[url] = self.template(self.nested[url])
        return self.done[url]

    def all_kinds(self) -> dict[str, str]:
        kinds: dict[str, str] = {}
        for done in self.done.values():
            kinds |= done.kinds
        return kinds

    def template(self, template: Mapping[str, Any]) -> _Renamed:
        declared = template.get("parameters") or {}
        kinds = {name: kind for name in declared if (kind := _constrained_kind(declared[name]))}
        renamed = dict(template)
        for section in ("resources", "outputs"):
            if section in template:
                renamed[section] = self._walk(template[section], kinds)
        if declared:
            renamed["parameters"] = {
                name: self._parameter(parameter, kinds[name]) if name in kinds else parameter
                for name, parameter in declared.items()
            }
        if "conditions" in template:
            renamed["conditions"] = self._condition(template["conditions"], kinds)
        return _Renamed(renamed, kinds)

    def values(self, values: Mapping[str, Any], kinds: Mapping[str, str]) -> dict[str, Any]:
        """Values of parameters, renamed where the parameter is of a kind."""
        return {
            name: self._rename(value, kinds[name]) if name in kinds else value
            for name, value in values.items()
        }

    def _rename(self, value: Any, kind: str) -> Any:
        table = self.tables[kind]
        if isinstance(value, list):
            return [self._rename(item, kind) for item in value]
        if isinstance(value, str) and value not in table and "," in value:
            return ",".join(table.get(item.strip(), item) for item in value.split(","))
        return table.get(value, value) if isinstance(value, str) else value

    def _parameter(self, parameter: dict[str, Any], kind: str) -> dict[str, Any]:
        renamed = dict(parameter)
        if "default" in parameter:
            renamed["default"] = self._rename(parameter["default"], kind)
        if isinstance(parameter.get("constraints"), list):
            renamed["constraints"] = [
                {**rule, "allowed_values": self._rename(rule["allowed_values"], kind)}
                if isinstance(rule, dict) and "allowed_values" in rule
                else rule
                for rule in parameter["constraints"]
            ]
        return renamed

    def _walk(self, node: Any, kinds: dict[str, str]) -> Any:
        """Rename in any part of a template, where it has the shape of a resource."""
        if isinstance(node, list):
            return [self._walk(item, kinds) for item in node]
        if not isinstance(node, dict):
            return node
        properties, kind_of = node.get("properties"), self._properties_of(node.get("type"))
        renamed = {
            key: self._walk(value, kinds)
            for key, value in node.items()
            if key != "properties" or kind_of is None
        }
        if kind_of is not None and isinstance(properties, dict):
            at_depth = resolve(node["type"], self.registry) not in self.nested
            renamed["properties"] = self._properties(properties, kind_of, kinds, at_depth)
            return {key: renamed[key] for key in node}
        return {key: renamed.get(key, node[key]) for key in node}

    def _properties_of(self, resource_type: Any) -> Mapping[str, str] | None:
        """Which properties of a type are an image, flavor or network."""
        if not isinstance(resource_type, str):
            return None
        resolved = resolve(resource_type, self.registry)
        if resolved in self.nested:
            return self.nested_template(resolved).kinds
        return next((p for start, p in _PROPERTIES.items() if resolved.startswith(start)), None)

    def _properties(
        self, node: Any, kind_of: Mapping[str, str], kinds: dict[str, str], at_depth: bool
    ) -> Any:
        if isinstance(node, list):
            return [self._properties(item, kind_of, kinds, at_depth) for item in node]
        if not isinstance(node, dict):
            return node
        renamed: dict[str, Any] = {}
        for key, value in node.items():
            if key in kind_of:
                renamed[key] = self._value(value, kind_of[key], kinds)
            elif key in _OPAQUE or not at_depth:
                renamed[key] = self._walk(value, kinds)
            else:
                renamed[key] = self._properties(value, kind_of, kinds, at_depth)
        return renamed

    def _value(self, value: Any, kind: str, kinds: dict[str, str]) -> Any:
        """A property of a kind: a literal, a parameter, or an ``if`` between such."""
        if isinstance(value, list):
            return [self._value(item, kind, kinds) for item in value]
        if not isinstance(value, dict):
            return self._rename(value, kind)
        match value:
            case {"get_param": str(name)} | {"get_param": [str(name)]}:
                kinds.setdefault(name, kind)
            case {"if": [condition, *branches]}:
                renamed = [self._value(branch, kind, kinds) for branch in branches]
                return {"if": [condition, *renamed]}
            case _:
                pass
        return value

    def _condition(self, node: Any, kinds: Mapping[str, str]) -> Any:
        """Rename the literals that a condition compares with a renamed parameter."""
        if isinstance(node, list):
            return [self._condition(item, kinds) for item in node]
        match node:
            case {"equals": [{"get_param": str(name)}, str(literal)]} if name in kinds:
                return {"equals": [{"get_param": name}, self._rename(literal, kinds[name])]}
            case {"equals": [str(literal), {"get_param": str(name)}]} if name in kinds:
                return {"equals": [self._rename(literal, kinds[name]), {"get_param": name}]}
            case dict():
                return {key: self._condition(value, kinds) for key, value in node.items()}
            case _:
                return node


def _constrained_kind(parameter: Any) -> str | None:
    rules = parameter.get("constraints") if isinstance(parameter, dict) else None
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict) and rule.get("custom_constraint") in _CONSTRAINTS:
            return _CONSTRAINTS[rule["custom_constraint"]]
    return None
