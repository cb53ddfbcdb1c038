"""Nested templates among Heat's files, and the names under which resources use them."""

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
    """What an environment says that types of resources stand for."""
    said = environment.get("resource_registry") or {}
    return {name: meant for name, meant in said.items() if isinstance(meant, str)}


def resolve(resource_type: str, known: Mapping[str, str]) -> str:
    """The type that a type stands for, by a :func:`registry`."""
    for _ in range(8):  # an alias of an alias …
        if resource_type not in known:
            break
        resource_type = known[resource_type]
    return resource_type
