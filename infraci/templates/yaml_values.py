"""Finds YAML 1.1 values that are lost, cannot be sent, or are read as others.

Heat's clients read templates and environments as YAML 1.1: of two equal keys the last wins,
``0644`` is the number 420, and ``22:22`` is 1342.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from infraci.model.problem import Problem
from infraci.templates.places import KeyPath, children, show_path

_TAGS = "tag:yaml.org,2002:"
_SENDABLE = frozenset(
    _TAGS + name
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")
)
_NUMBERS = (_TAGS + "int", _TAGS + "float")
_LITERALS = ("true", "false")
#: Stands for the type of a parameter whose value is secret.
HIDDEN = "hidden"
#: Keys whose values Nova, Neutron and Heat's own functions take as text only.
_TEXTS = frozenset({"metadata", "tags", "params", "name", "user_data", "description"})


def unsendable_values(root: yaml.Node, file: str) -> Iterator[Problem]:
    """Values that JSON does not have, in which infraci sends them to Heat."""
    for path, node in children(root):
        if node.tag not in _SENDABLE:
            yield _problem(file, node, path, f'the tag "{_short(node.tag)}" is not known to Heat')
        elif node.tag == _TAGS + "float" and not math.isfinite(_read(node) or 0):
            yield _problem(file, node, path, f"Heat cannot be sent the number {node.value}")
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                yield _problem(file, key, path, "a key must be text, not a list or a mapping")


def repeated_keys(root: yaml.Node, file: str) -> Iterator[Problem]:
    """Keys that a mapping has twice, as warnings: Heat's clients take the last."""
    for path, node in children(root):
        lines: dict[str, int] = {}
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == _TAGS + "merge":
                continue
            name = str(key.value)
            if name in lines:
                message = (
                    f'the key "{name}" is there already, in line {lines[name]}; this one is taken'
                )
                yield _problem(file, key, (*path, name), message)
            lines.setdefault(name, key.start_mark.line + 1)


def changed_values(root: yaml.Node, file: str, types: Mapping[str, str]) -> Iterator[Problem]:
    """Keys and values that YAML 1.1 reads as others, as warnings.

    ``types`` are those of the parameters that the file declares or gives values to.
    """
    for path, node in children(root):
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if (shown := _changed(key, "string")) is not None and key.value not in _LITERALS:
                message = f'YAML reads the key {key.value} as {shown}; write "{key.value}"'
                yield _problem(file, key, (*path, str(key.value)), message)
        kind = _kind(path, types)
        if (shown := _changed(node, kind)) is not None:
            message = f'YAML reads {node.value} as {shown}; write "{node.value}" if text is meant'
            if kind == HIDDEN:
                message = "YAML reads this value as another one; quote it if text is meant"
            yield _problem(file, node, path, message)


def _changed(node: yaml.Node, kind: str) -> str | None:
    """The value that YAML reads a scalar as, if that is not what is written; else None."""
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return None
    if node.tag not in (*_NUMBERS, _TAGS + "bool"):
        return None
    read, text = _read(node), str(node.value)
    if read is None:
        return None
    if isinstance(read, bool):
        is_changed = kind in ("string", HIDDEN) and text not in _LITERALS
    elif isinstance(read, int):
        is_changed = str(read) != text.removeprefix("+")
    else:
        is_changed = str(read) != text and kind != "number"
    shown = str(read).lower() if isinstance(read, bool) else str(read)
    return shown if is_changed else None


def _kind(path: KeyPath, types: Mapping[str, str]) -> str:
    """The parameter type that is expected at a path; empty if that is not known."""
    match path:
        case ("parameters" | "parameter_defaults", str(name), *_) if types.get(name) == HIDDEN:
            return HIDDEN
        case ("parameters" | "parameter_defaults", str(name)):
            return types.get(name, "")
        case ("parameters", str(name), "default" | "constraints", *_):
            return types.get(name, "")
        case _:
            return "string" if _TEXTS.intersection(path[2:]) else ""


def _read(node: yaml.Node) -> Any:
    """The value of a number or a boolean; None if it is neither after all."""
    try:
        return yaml.load(node.value, Loader=yaml.SafeLoader)
    except (ValueError, yaml.YAMLError):
        return None


def _problem(file: str, node: yaml.Node, path: KeyPath, message: str) -> Problem:
    mark = node.start_mark
    return Problem(
        file=file,
        line=mark.line + 1,
        column=mark.column + 1,
        key_path=show_path(path),
        message=message,
    )


def _short(tag: str) -> str:
    return tag.replace(_TAGS, "!!")
