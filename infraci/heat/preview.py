"""Reads Heat's answer to a stack preview into a tree of resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infraci.heat.objects import PreviewResource, StackPreview

Types = Mapping[str, str]


def read_preview(stack: Mapping[str, Any], template: Mapping[str, Any]) -> StackPreview:
    """Heat's answer to a preview as a tree.

    A nested stack comes as a bare list that does not name the resource that holds it. Its entries
    have their stack's name, which ends with the holder's; the template has the holder's type.
    """
    declared = template.get("resources") or {}
    types = {name: str(resource.get("type", "")) for name, resource in declared.items()}
    description = str(stack.get("description") or "")
    name = str(stack["stack_name"])
    return StackPreview(
        name=name,
        description="" if description == "No description" else description,
        resources=_tree(stack["resources"], stack=name, above="", types=types),
    )


def _tree(
    entries: Sequence[Any], *, stack: str, above: str, types: Types
) -> tuple[PreviewResource, ...]:
    resources = [
        _holder(entry, stack=stack, above=above, types=types)
        if isinstance(entry, list)
        else _resource(entry, above=above)
        for entry in entries
        if entry != []  # a group of none; Heat does not say which
    ]
    return tuple(sorted(resources, key=lambda resource: _natural(resource.name)))


def _holder(entries: list[Any], *, stack: str, above: str, types: Types) -> PreviewResource:
    inner, levels = _some_stack(entries)
    rest = inner.removeprefix(f"{stack}-")
    if levels == 0:
        name = rest
    else:  # all its entries are nested deeper: their stack's name begins with the holder's
        known = [name for name in types if rest.startswith(f"{name}-")]
        name = max(known, key=len) if known else rest.partition("-")[0]
    return PreviewResource(
        name=name,
        type=types.get(name, ""),
        path=_path(above, name),
        stack_name=stack,
        nested=_tree(entries, stack=f"{stack}-{name}", above=_path(above, name), types={}),
    )


def _some_stack(entries: list[Any]) -> tuple[str, int]:
    """The name of a stack in which one of the entries is, and how many levels down it was."""
    for entry in entries:
        if isinstance(entry, dict):
            return str(entry.get("stack_name") or ""), 0
    for entry in entries:
        name, levels = _some_stack(entry)
        if name:
            return name, levels + 1
    return "", 0


def _resource(entry: Mapping[str, Any], *, above: str) -> PreviewResource:
    name = str(entry["resource_name"])
    return PreviewResource(
        name=name,
        type=str(entry["resource_type"]),
        path=_path(above, name),
        stack_name=str(entry.get("stack_name") or ""),
        properties=entry.get("properties") or {},
        required_by=tuple(entry.get("required_by") or ()),
    )


def _path(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 30, name)
