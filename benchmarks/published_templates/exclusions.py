"""Which published templates are no usable stacks, and why; the first rule that holds counts."""

from __future__ import annotations

import re
from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.published_templates.collection import Collection, Document, mapping
from benchmarks.published_templates.pipelines import StackChoice, own_names
from benchmarks.published_templates.purposes import Purpose, blanks, literals, purposes
from benchmarks.published_templates.values import NAMES
from infraci.model.problem import Problem


class Reason(StrEnum):
    """Why a template is not a usable stack; docs/published-templates.md says it in full."""

    UNREADABLE = "not readable"
    GUEST = "other guest"
    TYPE = "no such type"
    FILE = "missing file"
    PROJECT = "project's own"
    REFUSED = "refused by Heat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Why a template is not a usable stack, and what shows it."""

    reason: Reason
    detail: str


_GUESTS = re.compile(
    r"windows|pexip|pfsense|\bf5\b|fortigate|vsrx|vmx|cisco|csr1000|asav|vyatta|netscaler|palo.?alto",
    re.IGNORECASE,
)
_NO_TYPE = re.compile(r"The Resource Type \((?P<type>[^)]+)\) could not be found|^\S+ is retired")
_NO_FILE = re.compile(
    r"no such file|is not a file of the repository|leads out of the repository"
    r"|is not relative to this file"
)
#: A problem that does not show that a template is wrong: Heat reaches itself only on a cloud.
_NOT_HEATS = re.compile(r"Cannot establish connection to Heat")
_OF_PARAMETER = re.compile(r"Parameter '(?P<name>[^']+)' is invalid")
#: What cannot be made beforehand under any name that a template has in writing.
_EXISTING = frozenset({
    Purpose.SUBNET, Purpose.ROUTER, Purpose.PORT, Purpose.VOLUME, Purpose.SNAPSHOT, Purpose.SERVER,
    Purpose.REGION,
})  # fmt: skip
#: What has to have a name where there is a key for it.
_REQUIRED = frozenset({Purpose.IMAGE, Purpose.FLAVOR, Purpose.NETWORK, Purpose.SUBNET})


def unreadable(template: Document) -> Exclusion | None:
    """The exclusion of a file that is no template."""
    if template.content:
        return None
    return Exclusion(reason=Reason.UNREADABLE, detail="its YAML cannot be read")


def exclude(
    collection: Collection, template: Document, choice: StackChoice, problems: Iterable[Problem]
) -> Exclusion | None:
    """Why a stack is not usable; ``problems`` are those of a plan for any cloud."""
    problems = tuple(problems)
    parts = tuple(collection.parts(template.path))
    evidence: Iterator[tuple[Reason, Iterable[str]]] = iter((
        (Reason.GUEST, _guests(parts)),
        (Reason.FILE, _computed(parts)),
        (Reason.TYPE, _messages(problems, _NO_TYPE)),
        (Reason.FILE, _messages(problems, _NO_FILE)),
        (Reason.PROJECT, _existing(collection, template, parts)),
        (Reason.REFUSED, _refusals(problems, choice.parameters)),
        (Reason.REFUSED, _numbers(collection, template)),
        (Reason.REFUSED, _nameless(parts)),
    ))  # fmt: skip
    for reason, details in evidence:
        if (detail := next(iter(details), None)) is not None:
            return Exclusion(reason=reason, detail=detail)
    return None


def _guests(parts: Iterable[Document]) -> Iterator[str]:
    """Yield what names another kind of guest: a path, an image, a parameter, a resource."""
    for part in parts:
        resources = mapping(part.content.get("resources"))
        images = [name for purpose, name in literals(part) if purpose is Purpose.IMAGE]
        defaults = [str(mapping(each).get("default")) for each in part.parameters.values()]
        for text in (str(part.path), *images, *defaults, *part.parameters, *resources):
            if match := _GUESTS.search(text[:200]):
                yield f'"{match[0]}" in {part.path}'
        yield from (name for name in part.references() if name.endswith(".ps1"))


def _computed(parts: Iterable[Document]) -> Iterator[str]:
    """Yield the resources whose type a parameter is to give, as the address of a template."""
    for part in parts:
        todo: list[object] = [part.content.get("resources")]
        while todo:
            node = todo.pop()
            if isinstance(node, dict):
                if isinstance(node.get("type"), dict) and "properties" in node:
                    yield f"a template whose address is a parameter, for {part.path}"
                todo += node.values()


def _messages(problems: Iterable[Problem], pattern: re.Pattern[str]) -> Iterator[str]:
    for problem in problems:
        if match := pattern.search(problem.message):
            yield match.groupdict().get("type") or problem.message


def _existing(
    collection: Collection, template: Document, parts: Iterable[Document]
) -> Iterator[str]:
    """Yield the things that have to exist and that no value of a parameter can replace."""
    parts = tuple(parts)
    own: set[str] = set().union(*(own_names(part) for part in parts))
    for part in parts:
        for name, resource in mapping(part.content.get("resources")).items():
            if "external_id" in mapping(resource):
                yield f"the resource {name}, by its external_id"
        for purpose, name in literals(part):
            if purpose in _EXISTING and name not in own | {NAMES[Purpose.REGION]}:
                yield f'the {purpose} "{name}"'
    for name, purpose in purposes(collection, template).items():
        if purpose is Purpose.SERVER and "default" not in mapping(template.parameters[name]):
            yield f"a server, by its parameter {name}"


def _refusals(problems: Iterable[Problem], values: Names[str]) -> Iterator[str]:
    """Yield what Heat refuses, but for values that are not the template's."""
    for problem in problems:
        of_value = _OF_PARAMETER.search(problem.message)
        is_ours = problem.file.startswith("pipelines/") or (of_value and of_value["name"] in values)
        if not is_ours and not _NOT_HEATS.search(problem.message):
            yield problem.message


def _nameless(parts: Iterable[Document]) -> Iterator[str]:
    """Yield the kinds of things that have to be named and are not: a reader was to add them."""
    for part in parts:
        yield from (f"an empty name of its {each}" for each in blanks(part) if each in _REQUIRED)


def _numbers(collection: Collection, template: Document) -> Iterator[str]:
    """Yield the parameters that are declared as numbers and are to be a thing's id or name."""
    for name, purpose in purposes(collection, template).items():
        if (
            purpose is not Purpose.PLAIN
            and mapping(template.parameters[name]).get("type") == "number"
        ):
            yield f"parameter {name} is declared as a number, and is to be a {purpose}"
