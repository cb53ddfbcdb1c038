"""Heat's own resource classes, narrowed to what the embedded cloud honours.

So Heat itself refuses, when it judges a template, whatever would otherwise be accepted and then
not be so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from heat.engine import constraints, properties
from heat.engine.environment import ResourceRegistry
from heat.engine.resource import Resource

from infraci.local.honoured import OWN_TYPES, PROPERTIES, VALUES


def narrow(registry: ResourceRegistry) -> None:
    """Replace every resource class of Heat's by one that refuses what we can't honour."""
    for name, resource_class in _classes(registry._registry):
        registry.register_class(name, _narrowed(name, resource_class))


def _classes(registry: Mapping[str, Any]) -> list[tuple[str, type[Resource]]]:
    found: list[tuple[str, type[Resource]]] = []
    for name, entry in registry.items():
        if isinstance(entry, dict):
            found += _classes(entry)
        elif isinstance(entry.value, type) and issubclass(entry.value, Resource):
            found.append((name, entry.value))
    return found


def _narrowed(name: str, resource_class: type[Resource]) -> type[Resource]:
    if name in PROPERTIES or name in OWN_TYPES:
        schema = _narrowed_schema(name, resource_class.properties_schema)
        return type(resource_class.__name__, (resource_class,), {"properties_schema": schema})
    return type(
        resource_class.__name__,
        (resource_class,),
        {"is_service_available": classmethod(_refuse)},
    )


def _refuse(cls: type[Resource], context: object) -> tuple[bool, str]:
    return False, "the embedded cloud has nothing that could honour this type"


def _narrowed_schema(
    name: str, schema: Mapping[str, properties.Schema], path: str = ""
) -> dict[str, properties.Schema]:
    honoured = PROPERTIES.get(name)
    narrowed = {}
    for key, original in schema.items():
        entry = narrowed[key] = copy.copy(original)
        here = f"{path}{key}"
        if honoured is not None and here not in honoured:
            entry.implemented = False
            entry.required = False
        elif original.schema:
            entry.schema = _narrowed_item(name, original, f"{here}.")
        values = VALUES.get((name, here))
        if values is not None:
            entry.constraints = [constraints.AllowedValues(list(values))]
    return narrowed


def _narrowed_item(name: str, schema: properties.Schema, path: str) -> Any:
    if schema.type == properties.Schema.LIST:
        item = schema.schema["*"]
        if item.schema:
            item = copy.copy(item)
            item.schema = _narrowed_schema(name, item.schema, path)
        return constraints.AnyIndexDict(item)
    return _narrowed_schema(name, schema.schema, path)
