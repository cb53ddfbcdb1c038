"""Finds the nested templates among Heat's files, and the resource types that stand for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infraci.base.json_reader import read_json


def nested_templates(files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The nested templates among Heat's files, by URL; openstacksdk has made JSON of them."""
    templates = {}
    for url, text in files.items():
        if text.startswith("{") and "heat_template_version" in text:
            try:
                template = read_json(text)
            except ValueError:
                continue
            if isinstance(template, dict) and "heat_template_version" in template:
                templates[url] = template
    return templates


def registry(environment: Mapping[str, Any]) -> dict[str, str]:
    """The resource types that an environment maps to others, by name."""
    types = environment.get("resource_registry") or {}
    return {name: target for name, target in types.items() if isinstance(target, str)}


def resolve(resource_type: str, known: Mapping[str, str]) -> str:
    """The type that a type stands for, by a :func:`registry`."""
    for _ in range(8):  # an alias of an alias …
        if resource_type not in known:
            break
        resource_type = known[resource_type]
    return resource_type
