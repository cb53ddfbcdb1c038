"""Finds unknown keys, types and references in a HOT template.

Heat finds these too, but one at a time, and does not always say where; those in outputs only after
it has made the stack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infraci.model.problem import near, quoted
from infraci.templates.places import KeyPath

_RESOURCE_KEYS = (
    "type", "properties", "metadata", "depends_on", "deletion_policy", "update_policy",
    "description", "condition", "external_id",
)  # fmt: skip
_PARAMETER_KEYS = (
    "type", "label", "description", "default", "hidden", "constraints", "immutable", "tags",
)  # fmt: skip
_PARAMETER_TYPES = ("string", "number", "json", "comma_delimited_list", "boolean")
_OUTPUT_KEYS = ("value", "description", "condition")
#: Parameters that Heat declares itself.
_PSEUDO = ("OS::stack_name", "OS::stack_id", "OS::project_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something wrong at a path of a template."""

    path: KeyPath
    message: str
    suggestion: str | None = None
    remove: bool = False  # whether nothing may be there


def check_template(template: Mapping[str, Any]) -> tuple[Flaw, ...]:
    """All references to missing parts of the template, and all keys that HOT does not have."""
    return tuple(_Checker(template).flaws())


def functions(
    node: Any, path: KeyPath = (), skip: Collection[str] = ()
) -> Iterator[tuple[KeyPath, str, Any]]:
    """Each function in a value, with its path, name and argument.

    Leaves out functions with a word of ``skip``: ``repeat`` has yet to replace it.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from functions(item, (*path, index), skip)
    elif isinstance(node, dict):
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "repeat" and isinstance(argument, dict):
                loops = argument.get("for_each")
                skip = {*skip, *(map(str, loops) if isinstance(loops, dict) else ())}
            elif not any(word in str(argument) for word in skip):
                yield path, str(name), argument
        for key, value in node.items():
            yield from functions(value, (*path, str(key)), skip)


class _Checker:
    def __init__(self, template: Mapping[str, Any]) -> None:
        self._sections = {
            name: value if isinstance(value := template.get(name), dict) else {}
            for name in ("parameters", "conditions", "resources", "outputs")
        }

    def flaws(self) -> Iterator[Flaw]:
        for name, declared in self._sections["parameters"].items():
            yield from self._parameter(("parameters", name), declared)
        for name, resource in self._sections["resources"].items():
            yield from self._resource(("resources", name), resource)
        for name, output in self._sections["outputs"].items():
            yield from _keys(("outputs", name), output, _OUTPUT_KEYS, "an output")
            if isinstance(output, dict):
                yield from self._condition(("outputs", name, "condition"), output)
        for section in ("conditions", "resources", "outputs"):
            for path, name, argument in functions(self._sections[section], (section,)):
                yield from self._function(path, name, argument)

    def _parameter(self, path: KeyPath, declared: Any) -> Iterator[Flaw]:
        yield from _keys(path, declared, _PARAMETER_KEYS, "a parameter")
        kind = declared.get("type") if isinstance(declared, dict) else None
        if isinstance(kind, str) and kind not in _PARAMETER_TYPES:
            yield Flaw(
                path=(*path, "type"),
                message=f'there is no type "{kind}" of parameters, only {quoted(_PARAMETER_TYPES)}',
                suggestion=near(kind, _PARAMETER_TYPES),
            )

    def _resource(self, path: KeyPath, resource: Any) -> Iterator[Flaw]:
        yield from _keys(path, resource, _RESOURCE_KEYS, "a resource")
        if not isinstance(resource, dict):
            yield Flaw(path=path, message="expected a mapping with the resource's type")
            return
        if not resource.get("type"):
            yield Flaw(path=path, message="the resource has no type")
        yield from self._condition((*path, "condition"), resource)
        depends = resource.get("depends_on")
        for index, name in enumerate(depends if isinstance(depends, list) else [depends]):
            if isinstance(name, str) and name:
                at: KeyPath = (index,) if isinstance(depends, list) else ()
                yield from self._absent((*path, "depends_on", *at), name, "resources")

    def _condition(self, path: KeyPath, holder: Mapping[str, Any]) -> Iterator[Flaw]:
        if isinstance(name := holder.get("condition"), str):
            yield from self._absent(path, name, "conditions")

    def _function(self, path: KeyPath, name: str, argument: Any) -> Iterator[Flaw]:
        first = argument[0] if isinstance(argument, list) and argument else argument
        if not isinstance(first, str):
            return
        match name:
            case "get_resource" if isinstance(argument, str):
                yield from self._absent((*path, name), argument, "resources")
            case "get_attr":
                yield from self._absent((*path, name), first, "resources")
            case "get_param":
                yield from self._absent((*path, name), first, "parameters")
            case "if" if isinstance(argument, list) and path[0] != "conditions":
                yield from self._absent((*path, name, 0), first, "conditions")
            case _:
                pass

    def _absent(self, path: KeyPath, name: str, section: str) -> Iterator[Flaw]:
        known: Sequence[str] = [*self._sections[section]]
        if section == "parameters":
            known = [*known, *_PSEUDO]
        if name not in known:
            noun = section.removesuffix("s")
            yield Flaw(
                path=path, message=f'there is no {noun} "{name}"', suggestion=near(name, known)
            )


def _keys(path: KeyPath, value: Any, known: Sequence[str], noun: str) -> Iterator[Flaw]:
    for key in value if isinstance(value, dict) else ():
        if key not in known:
            meant = near(str(key), known)
            message = f'{noun} has no key "{key}"'
            message += "" if meant else f", only {quoted(known, 'and')}"
            yield Flaw(path=(*path, str(key)), message=message, suggestion=meant, remove=True)
