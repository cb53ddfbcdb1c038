"""Finds the place in a stack's templates that an error message of Heat is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infraci.heat.cloud_errors import NO_SERVICE
from infraci.templates import resolve
from infraci.templates.places import KeyPath, value_at
from infraci.templates.stack_request import declared_parameters

Templates = Mapping[str, Mapping[str, Any]]  # by URL; the stack's own under the empty one

_STEP = re.compile(r"\bresources(?:\.([\w-]+)|\[([\w-]+)\])(?:<([^<>]*)>)?(?:\.|: ?)?")
_SECTION = re.compile(r"\b(outputs|conditions)\.([\w.\[\]-]+)")
_PARAMETER = re.compile(r"Parameter (?:'([^']+)'|\(([^)]+)\))|for parameter (\w[\w-]*)")
_TYPE = re.compile(r"resource type \(?\"?([\w:.-]+)\"?\)?", re.I)
QUOTED = re.compile(r"[\"']([\w:.-]+)[\"']")
_KEYS = re.compile(r"[\w-]+(?:\.[\w-]+|\[\d+\])*")
#: A property that Heat names after the path of what holds it.
UNKNOWN = re.compile(r"Unknown Property (\S+)")
UNIMPLEMENTED = re.compile(r"Property (\S+) not implemented yet")
NOT_ASSIGNED = re.compile(r"Property (\S+) not assigned")
#: Properties that hold a resource's definition, which their resource repeats.
GROUPED = ("resource_def", "resource")


def last_properties(path: KeyPath) -> int | None:
    """Return where the innermost key ``properties`` of a path is; None if it has none."""
    return max((i for i, key in enumerate(path) if key == "properties"), default=None)


#: A group that is given types only.
_CHAIN = "OS::Heat::ResourceChain"
_CHAINED: KeyPath = ("properties", "resources")
#: Words in services' types, and how Heat's constraints call the services.
_CLIENTS = {
    "volume": "cinder", "block": "cinder", "share": "manila", "dns": "designate",
    "container": "magnum", "key-manager": "barbican", "workflow": "mistral", "messaging": "zaqar",
    "database": "trove", "baremetal": "ironic", "reservation": "blazar", "load-balancer": "octavia",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A path of a template; ``remove`` says that nothing may be there."""

    url: str
    path: KeyPath
    remove: bool = False


def sites_of(reason: str, templates: Templates) -> tuple[Site, ...]:
    """The sites of a reason's cause; several for a type that several resources have."""
    url, path, rest = _steps(reason, templates)
    template = templates.get(url) or {}
    if path and (site := _in_resource(url, path, rest, template)) is not None:
        return (site,)
    named = _TYPE.search(reason)
    if named and (sites := tuple(sites_of_type(named[1], templates))):
        return sites
    if inside := _SECTION.search(rest):
        return (_existing(url, (inside[1], *_keys(inside[2])), template),)
    if named := _PARAMETER.search(rest):
        name = next(group for group in named.groups() if group)
        return (_existing(url, ("parameters", name), template),)
    if path:
        return (_existing(url, path, template),)
    if lacks := NO_SERVICE.search(reason):
        return tuple(_asking(lacks[1] or lacks[2], templates))
    for word in QUOTED.findall(reason):
        if value_at(template, ("resources", word)) is not None:
            return (Site(url=url, path=("resources", word)),)
    return ()


def resource_named(reason: str) -> str:
    """The resource of the stack that a reason speaks of; empty if it is none."""
    step = _STEP.search(reason)
    return (step[1] or step[2]) if step else ""


def _steps(reason: str, templates: Templates) -> tuple[str, KeyPath, str]:
    """The template, the resource in it, and what of the reason follows."""
    url, is_grouped = "", False
    path: KeyPath = ()
    step = _STEP.search(reason)
    rest = reason
    while step is not None:
        name, inner = step[1] or step[2], step[3]
        if not is_grouped:
            path = ("resources", name)
        if inner is not None:
            is_grouped = inner not in templates
            if is_grouped:
                path = _definition(path, templates.get(url) or {})
            else:
                url, path = inner, ()
        rest = reason[step.end() :]
        step = _STEP.match(rest)
        reason = rest
    return url, path, rest


def _definition(path: KeyPath, template: Mapping[str, Any]) -> KeyPath:
    """The path of the definition that a group repeats."""
    for key in GROUPED:
        if value_at(template, (*path, "properties", key)) is not None:
            return (*path, "properties", key)
    return path


def _in_resource(url: str, path: KeyPath, rest: str, template: Mapping[str, Any]) -> Site | None:
    """The key within a resource that Heat names; None if it names none."""
    keys = _KEYS.match(rest)
    inner = _keys(keys[0]) if keys and keys[0].split(".")[0].lower() in _PARTS else ()
    removed = UNKNOWN.search(rest) or UNIMPLEMENTED.search(rest)
    lacking = NOT_ASSIGNED.search(rest)
    if removed:
        inner = (*(inner or ("properties",)), removed[1])
    elif lacking:
        inner = (*(inner or ("properties",)), lacking[1])
        return Site(url=url, path=(*path, *inner))
    if not inner:
        return None
    repeated = _definition(path, template)
    site, inside = (_existing(url, (*start, *inner), template) for start in (path, repeated))
    if len(inside.path) - len(repeated) > len(site.path) - len(path):
        site = inside
    return Site(url=url, path=site.path, remove=bool(removed))


_PARTS = frozenset({
    "properties", "condition", "depends_on", "metadata", "deletion_policy", "update_policy",
})  # fmt: skip


def _existing(url: str, path: Sequence[str | int], template: Mapping[str, Any]) -> Site:
    """The path, as far as the template has it."""
    whole: KeyPath = tuple(path)
    while len(whole) > 1 and value_at(template, whole) is None:
        whole = whole[:-1]
    return Site(url=url, path=whole)


def _asking(service: str, templates: Templates) -> Iterator[Site]:
    """The parameters with a constraint that asks a service; it is called as in catalogs."""
    client = next((name for word, name in _CLIENTS.items() if word in service), service)
    for url, template in templates.items():
        for name, declared in declared_parameters(template).items():
            rules = declared.get("constraints")
            for rule in rules if isinstance(rules, list) else ():
                custom = rule.get("custom_constraint") if isinstance(rule, dict) else None
                if str(custom).startswith(f"{client}."):
                    yield Site(url=url, path=("parameters", name))


def sites_of_type(name: str, templates: Templates) -> Iterator[Site]:
    """Where resources have that type, those that a group repeats too."""
    for url, template in templates.items():
        for path, kind in _types(template.get("resources"), ("resources",)):
            if kind == name:
                yield Site(url=url, path=path)


def sites_alike(site: Site, templates: Templates) -> Iterator[Site]:
    """The same property in all other resources of that type, where it may not be there."""
    holder, name = site.path[:-2], site.path[-1]
    kind = value_at(templates.get(site.url) or {}, (*holder, "type"))
    if site.remove and site.path[-2:-1] == ("properties",) and isinstance(kind, str):
        for other in sites_of_type(kind, templates):
            path = (*other.path[:-1], "properties", name)
            if path != site.path and value_at(templates[other.url], path) is not None:
                yield Site(url=other.url, path=path, remove=True)


def types_in(templates: Templates) -> tuple[str, ...]:
    """The types that resources have."""
    types = (_types(template.get("resources"), ("resources",)) for template in templates.values())
    return tuple(dict.fromkeys(kind for pairs in types for _, kind in pairs))


def _types(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _types(item, (*path, index))
    elif isinstance(node, dict):
        kind = node.get("type")
        if isinstance(kind, str) and (len(path) == 2 or path[-1] in GROUPED):
            yield (*path, "type"), kind
        if kind == _CHAIN and isinstance(chained := value_at(node, _CHAINED), list):
            yield from (((*path, *_CHAINED, n), str(name)) for n, name in enumerate(chained))
        for key, value in node.items():
            yield from _types(value, (*path, str(key)))


def _keys(text: str) -> KeyPath:
    return tuple(
        int(part) if part.isdecimal() else part for part in re.split(r"[.\[\]]+", text) if part
    )


def site_of_resource(path: str, templates: Templates, known: Mapping[str, str]) -> Site:
    """Where the resource is written that a preview calls by its path: ``apps.0.web``.

    ``known`` is what types stand for.
    """
    url = ""
    first, *inner = path.split(".")
    at: KeyPath = ("resources", first)
    for name in inner:
        written = value_at(templates.get(url) or {}, at)
        kind = resolve(str(written.get("type")), known) if isinstance(written, dict) else ""
        if kind in templates:
            url, at = kind, ("resources", name)
        else:
            at = _definition(at, templates.get(url) or {})
    return Site(url=url, path=at)
