"""Parses one template or environment: its sections, its references, and their positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import yaml

from infraci.model.problem import Problem, near, quoted
from infraci.model.yaml_error import describe
from infraci.templates.places import compose
from infraci.templates.stack_request import is_hidden
from infraci.templates.yaml_values import HIDDEN, repeated_keys, unsendable_values

MAX_VALUES = 200_000  # with every alias expanded

_SECTIONS = {
    "template": (
        "heat_template_version",
        "description",
        "parameter_groups",
        "parameters",
        "conditions",
        "resources",
        "outputs",
    ),
    "environment": (
        "parameters",
        "parameter_defaults",
        "resource_registry",
        "encrypted_param_names",
        "event_sinks",
        "parameter_merge_strategies",
    ),
}
_MAPPINGS = ("parameters", "parameter_defaults", "resource_registry", "resources", "outputs")
_NESTED = (".yaml", ".template")
_FOREIGN = ("HeatTemplateFormatVersion", "AWSTemplateFormatVersion")


class DocumentKind(StrEnum):
    """The kind of document that a file is read as."""

    TEMPLATE = "template"
    ENVIRONMENT = "environment"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A file that a template or environment names."""

    text: str
    kind: DocumentKind
    line: int
    column: int
    key_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFile:
    """A file's text, and for a template or environment its nodes."""

    text: str
    root: yaml.MappingNode | None = None
    references: tuple[Reference, ...] = field(default=())
    notices: tuple[Problem, ...] = field(default=())  # no errors, but they may surprise

    def keys(self, *path: str) -> list[str]:
        """The keys of a section, or of a mapping within it."""
        node: yaml.Node | None = self.root
        for step in path:
            node = _get(node, step)
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        return [str(key.value) for key, _ in pairs]

    def parameter_types(self) -> dict[str, str]:
        """The type of each parameter that a template declares; HIDDEN for hidden ones."""
        types = {}
        for name in self.keys("parameters"):
            declared = _get(_get(self.root, "parameters"), name)
            kind, hidden = _get(declared, "type"), _get(declared, "hidden")
            types[name] = str(kind.value) if kind is not None else ""
            if hidden is not None and is_hidden({"hidden": hidden.value}):
                types[name] = HIDDEN
        return types

    def position(self, path: Sequence[str]) -> tuple[int, int]:
        """Line and column of the key at that path, or of the nearest one around it."""
        node: yaml.Node | None = self.root
        position = (1, 1)
        for step in path:
            for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
                if key.value == step:
                    position, node = _position(key), value
                    break
            else:
                break
        return position


def parse_source(
    text: str, *, kind: DocumentKind, file: str
) -> tuple[TemplateFile | None, list[Problem]]:
    """The parsed file, None where Heat could not use it; and its problems."""
    is_file, is_environment = kind is DocumentKind.FILE, kind is DocumentKind.ENVIRONMENT
    if is_file and "heat_template_version" not in text:
        return TemplateFile(text=text), []
    try:
        root = compose(text)
    except yaml.YAMLError as error:
        return (TemplateFile(text=text), []) if is_file else (None, [describe(error, text, file)])
    except RecursionError:
        return None, [Problem(file=file, message="nested too deeply")]
    if isinstance(root, yaml.MappingNode):
        return _parse_mapping(root, text, kind, file)
    if is_file or (is_environment and root is None):
        return TemplateFile(text=text), []
    content = "nothing" if root is None else "a list" if _is_list(root) else "text"
    noun = "environment" if is_environment else "HOT template"
    message = f"expected a mapping, found {content}; this is no {noun}"
    return None, [Problem(file=file, line=1, column=1, message=message)]


def _parse_mapping(
    root: yaml.MappingNode, text: str, kind: DocumentKind, file: str
) -> tuple[TemplateFile | None, list[Problem]]:
    if reason := _too_large(root):
        return None, [Problem(file=file, message=reason)]
    problems = [*_check_sections(root, kind, file), *unsendable_values(root, file)]
    if kind is DocumentKind.ENVIRONMENT:
        problems += _check_base_url(root, file)
        references = tuple(_registry_references(root))
    else:
        references = tuple(_template_references(root))
    notices = tuple(repeated_keys(root, file))
    return TemplateFile(text=text, root=root, references=references, notices=notices), problems


def _check_sections(root: yaml.MappingNode, kind: DocumentKind, file: str) -> Iterator[Problem]:
    known = _SECTIONS["environment" if kind is DocumentKind.ENVIRONMENT else "template"]
    names = [key.value for key, _ in root.value]
    if kind is not DocumentKind.ENVIRONMENT and "heat_template_version" not in names:
        foreign = next((name for name in names if name in _FOREIGN), None)
        message = "heat_template_version is missing; this is no HOT template"
        message = f"{foreign}: only HOT templates are supported" if foreign else message
        yield Problem(file=file, line=1, column=1, message=message)
        return
    for key, value in root.value:
        line, column = _position(key)
        if key.value not in known:
            meant = near(str(key.value), known)
            message = "unknown section" if meant else f"unknown section; expected {quoted(known)}"
            yield Problem(
                file=file,
                line=line,
                column=column,
                key_path=str(key.value),
                message=message,
                suggestion=meant,
            )
        elif key.value in _MAPPINGS and not _is_mapping(value) and not _is_null(value):
            content = "a list" if _is_list(value) else f'"{value.value}"'
            yield Problem(
                file=file,
                line=line,
                column=column,
                key_path=str(key.value),
                message=f"expected a mapping, found {content}",
            )


def _check_base_url(root: yaml.MappingNode, file: str) -> Iterator[Problem]:
    registry = _get(root, "resource_registry")
    for path, key, value in _pairs(registry) if registry else ():
        if key == "base_url":
            line, column = _position(value)
            yield Problem(
                file=file,
                line=line,
                column=column,
                key_path=f"resource_registry.{path}",
                message="base_url is not supported; name files relative to the environment",
            )


def _template_references(root: yaml.MappingNode) -> Iterator[Reference]:
    """The files of ``get_file`` and of nested templates' types, by openstacksdk's own rule."""
    for path, key, value in _pairs(root):
        if not isinstance(value, yaml.ScalarNode) or value.tag != "tag:yaml.org,2002:str":
            continue
        if key == "get_file" or (key == "type" and value.value.endswith(_NESTED)):
            kind = DocumentKind.FILE if key == "get_file" else DocumentKind.TEMPLATE
            yield _reference(value, kind, path)


def _registry_references(root: yaml.MappingNode) -> Iterator[Reference]:
    """The files of an environment's resource registry, by openstacksdk's own rule."""
    path = "resource_registry"
    for key, value in _entries(_get(root, path)):
        if key.value == "resources" and _is_mapping(value):
            for name, entries in value.value:
                yield from _named_files(entries, f"{path}.resources.{name.value}")
        elif _is_file_name(key, value):
            yield _reference(value, DocumentKind.TEMPLATE, f"{path}.{key.value}")


def _named_files(entries: yaml.Node, path: str) -> Iterator[Reference]:
    for key, value in _entries(entries):
        if _is_file_name(key, value):
            yield _reference(value, DocumentKind.TEMPLATE, f"{path}.{key.value}")


def _is_file_name(key: yaml.Node, value: yaml.Node) -> bool:
    is_text = isinstance(value, yaml.ScalarNode)
    no_file = {"base_url", "hooks", "restricted_actions"}
    return is_text and key.value not in no_file and "::" not in value.value


def _reference(node: yaml.Node, kind: DocumentKind, key_path: str) -> Reference:
    line, column = _position(node)
    return Reference(text=node.value, kind=kind, line=line, column=column, key_path=key_path)


def _pairs(root: yaml.Node) -> Iterator[tuple[str, str, yaml.Node]]:
    """Every key with its path and value; a node that aliases share comes once."""
    seen: set[int] = set()
    todo: list[tuple[str, yaml.Node]] = [("", root)]
    while todo:
        path, node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            inner = [(f"{path}.{key.value}".lstrip("."), key, value) for key, value in node.value]
            yield from ((at, str(key.value), value) for at, key, value in inner)
            todo += [(at, value) for at, _, value in reversed(inner)]
        elif isinstance(node, yaml.SequenceNode):
            todo += [(f"{path}[{index}]", value) for index, value in enumerate(node.value)]


def _too_large(root: yaml.Node) -> str | None:
    """Why the value is too large once its aliases are expanded; None if it is not."""
    sizes: dict[int, int | None] = {}  # None while a node is being counted
    todo: list[tuple[yaml.Node, bool]] = [(root, False)]
    while todo:
        node, counted = todo.pop()
        children = _children(node)
        if counted:
            sizes[id(node)] = 1 + sum(sizes[id(child)] or 0 for child in children)
            if (sizes[id(node)] or 0) > MAX_VALUES:
                line, _ = _position(node)
                return f"more than {MAX_VALUES} values, with aliases expanded, in line {line}"
        elif id(node) not in sizes:
            sizes[id(node)] = None
            todo.append((node, True))
            todo += [(child, False) for child in children]
        elif sizes[id(node)] is None and children:
            return "an alias makes a value contain itself"
    return None


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _get(root: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(root) if key.value == name), None)


def _entries(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """The keys and values of a mapping; none of what is no mapping."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def _is_mapping(node: yaml.Node | None) -> bool:
    return isinstance(node, yaml.MappingNode)


def _is_list(node: yaml.Node) -> bool:
    return isinstance(node, yaml.SequenceNode)


def _is_null(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
