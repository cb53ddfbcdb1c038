"""Restricts Heat's resource classes and constraints to what the embedded cloud supports.

So Heat itself refuses, when it validates a template, what it would otherwise accept in vain.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from heat.engine import constraints, properties, support
from heat.engine.environment import Environment
from heat.engine.resource import Resource
from heat.engine.resources.openstack.heat.none_resource import NoneResource

from infraci.local.any_cloud import is_meant
from infraci.local.supported_properties import (
    AWS_TYPES,
    KEPT,
    KEPT_TYPES,
    OWN_TYPES,
    PROPERTIES,
    REASONS,
    REFUSED_VALUES,
    VALUES,
)

#: Modules of Heat's that query a service, and the services that the embedded cloud has.
_CLIENTS = "heat.engine.clients.os."
_SERVICES = ("aodh", "keystone", "cinder", "glance", "neutron", "nova", "octavia", "swift")
#: Types of which every property that Heat implements is supported.
_WHOLE = OWN_TYPES | AWS_TYPES | KEPT_TYPES.keys()


def restrict(environment: Environment) -> Mapping[str, type[Resource]]:
    """Replace Heat's classes and constraints by ones that refuse what is not supported.

    Returns Heat's own classes, by their types.
    """
    registry = environment.registry
    own = dict(_classes(registry._registry))
    for name, resource_class in own.items():
        registry.register_class(name, _restricted(name, resource_class))
    for name, constraint in list(environment.constraints.items()):
        service = _service_of(constraint)
        if service not in ("", *_SERVICES):
            environment.register_constraint(name, _refusing(service))
    return own


def _service_of(constraint: type) -> str:
    """The service that a constraint queries; empty if none."""
    module = str(constraint.__module__)
    return module.removeprefix(_CLIENTS).partition(".")[0] if module.startswith(_CLIENTS) else ""


def _refusing(service: str) -> type[constraints.BaseCustomConstraint]:
    """A constraint that no value fulfils, since the cloud lacks the service."""

    class Refusing(constraints.BaseCustomConstraint):  # type: ignore[misc]
        def validate(self, value: object, context: object) -> bool:
            if is_meant():
                return True
            self._error_message = f"the embedded cloud has no {service} that could know it"
            return False

    return Refusing


def _classes(registry: Mapping[str, Any]) -> list[tuple[str, type[Resource]]]:
    classes: list[tuple[str, type[Resource]]] = []
    for name, entry in registry.items():
        if isinstance(entry, dict):
            classes += _classes(entry)
        elif isinstance(entry.value, type) and issubclass(entry.value, Resource):
            classes.append((name, entry.value))
    return classes


def _restricted(name: str, resource_class: type[Resource]) -> type[Resource]:
    if name in PROPERTIES or name in _WHOLE:
        changes = _supported(name, resource_class)
    else:
        changes = _refused(name, resource_class)
    return type(resource_class.__name__, (resource_class,), changes)


def _supported(name: str, resource_class: type[Resource]) -> dict[str, Any]:
    schema = _restricted_schema(name, resource_class.properties_schema)
    if name in ("OS::Nova::Server", "AWS::EC2::Instance"):
        return {"properties_schema": schema, "_build_nics": _nics_or_auto(resource_class)}
    return {"properties_schema": schema}


def _refused(name: str, resource_class: type[Resource]) -> dict[str, Any]:
    reason = _retired(resource_class) or REASONS.get(name) or _absent(name)

    def is_service_available(cls: type[Resource], context: object) -> tuple[bool, str]:
        return False, reason

    def validate(self: Resource) -> None:
        self._validate_service_availability(self.stack.context, self.t.resource_type)

    return {"is_service_available": classmethod(is_service_available), "validate": validate}


def _nics_or_auto(server: type[Resource]) -> Callable[..., Any]:
    """Ask for ``auto`` where a server names no networks: Nova 2.37 refuses to choose one unasked.

    Heat asks with the newest microversion that Nova has, unless its operator sets an older one,
    with which Nova still takes the project's network. Templates without networks count on that.
    """

    def build(self: Resource, *arguments: Any, **options: Any) -> Any:
        return server._build_nics(self, *arguments, **options) or "auto"

    return build


def _absent(name: str) -> str:
    """Why a type is refused: there is no such service, or it has no such thing."""
    vendor, _, rest = name.partition("::")
    service = rest.partition("::")[0]
    if vendor == "OS" and service.lower() not in (*_SERVICES, "heat"):
        return f"the embedded cloud has no {service}"
    return "the embedded cloud has nothing that could honour it"


def _retired(resource_class: type[Resource]) -> str:
    """Why Heat keeps a type as a placeholder that does nothing; empty for other types."""
    status = resource_class.support_status
    if status.status != support.HIDDEN or not issubclass(resource_class, NoneResource):
        return ""
    advice, earlier = "", status
    while earlier is not None and not advice:
        advice, earlier = str(earlier.message or ""), earlier.previous_status
    if "LBaaS V2" in advice:  # which Heat has retired as well
        advice = "Use octavia instead."
    return f"it is retired. {advice}".strip()


def _restricted_schema(
    name: str, schema: Mapping[str, properties.Schema], path: str = ""
) -> dict[str, properties.Schema]:
    supported = None if name in _WHOLE else PROPERTIES[name] | KEPT.get(name, {}).keys()
    restricted = {}
    for key, original in schema.items():
        entry = restricted[key] = copy.copy(original)
        key_path = f"{path}{key}"
        if supported is not None and key_path not in supported:
            entry.implemented = False
            entry.required = False
        elif original.schema:
            entry.schema = _restricted_item(name, original, f"{key_path}.")
        values = VALUES.get((name, key_path))
        reasons = REFUSED_VALUES.get((name, key_path), {})
        if values is not None:
            entry.constraints = [constraints.AllowedValues(list(values))]
        if reasons:
            entry.constraints = [RefusedValues(reasons), *entry.constraints]
    return restricted


class RefusedValues(constraints.Constraint):  # type: ignore[misc]
    """Refuses some values of a property, each for its reason."""

    valid_types = (constraints.Schema.STRING,)

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__()
        self._reasons = reasons

    def _str(self) -> str:
        return f"Not: {', '.join(self._reasons)}"

    def _err_msg(self, value: str) -> str:
        return f'"{value}" is refused by the embedded cloud: {self._reasons[value]}'

    def _is_valid(self, value: object, schema: object, context: object) -> bool:
        return value not in self._reasons

    def _constraint(self) -> list[str]:
        return list(self._reasons)


def _restricted_item(name: str, schema: properties.Schema, path: str) -> Any:
    if schema.type == properties.Schema.LIST:
        item = schema.schema["*"]
        if item.schema:
            item = copy.copy(item)
            item.schema = _restricted_schema(name, item.schema, path)
        return constraints.AnyIndexDict(item)
    return _restricted_schema(name, schema.schema, path)
