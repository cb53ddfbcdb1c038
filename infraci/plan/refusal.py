"""Where in the template stands what Heat refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.errors import CloudError
from infraci.model.compose import Composer, UnreadableError
from infraci.model.nodes import Node
from infraci.model.problem import Problem, near

_RESOURCE = re.compile(r"\bresources(?:\.([\w-]+)|\[([\w-]+)\])")
_PROPERTY = re.compile(r"\bproperties\.([\w.\[\]-]+)")
_UNKNOWN = re.compile(r"Unknown Property (\S+)")
_PARAMETER = re.compile(r"Parameter (?:'([^']+)'|\(([^)]+)\))")
_TYPE = re.compile(r"Resource Type \(([^)]+)\)|resource type \"?([\w:.]+)\"?", re.I)
_QUOTED = re.compile(r"[\"']([\w:.-]+)[\"']")


#: The names that a resource type's properties have.
PropertyNames = Callable[[str], Collection[str]]

#: The names of a kind (image, flavor, network, key) that there are on the cloud.
Names = Callable[[str], Collection[str]]

#: What Heat says of an image, flavor, network or key that the cloud does not have.
_MISSING = re.compile(
    r"The (image|flavor|network|key)\w*(?: ID)? \(([^)]+)\) could not be found"
    r"|No (image|flavor|network|key)\w* (?:matching|found for) (?:\{'name': )?'?([^'}]+)"
    r"|Unable to find (network) with name or id '([^']+)'",
    re.IGNORECASE,
)


def place_refusal(
    reason: str,
    *,
    template: PurePosixPath,
    root: Path,
    property_names: PropertyNames = lambda _: (),
    names: Names = lambda _: (),
    made: Mapping[str, Any] | None = None,
) -> Problem:
    """Heat's reason as a problem of the template: the nearest line that it is about.

    ``property_names`` is asked when a property is unknown, ``names`` when the cloud does not have
    what the template names, to suggest a near one. ``made`` is the HOT that was made of a TOSCA
    template, where Heat speaks of a type that only that has.
    """
    try:
        top = Composer(str(template)).compose((root / template).read_text("utf-8"))
    except (OSError, ValueError, UnreadableError):
        return Problem(file=str(template), message=reason)
    path = _path(reason, top, made or {})
    line, column = _place(top, path)
    return Problem(
        file=str(template),
        line=line,
        column=column,
        key_path=".".join(path),
        message=_without_place(reason),
        suggestion=_meant(reason, _type_at(top, path), property_names) or _near_name(reason, names),
    )


def refused_resource(reason: str, problem: Problem) -> str:
    """The resource that Heat's reason is about, or its place in the template; empty if neither."""
    if found := _RESOURCE.search(reason):
        return found[1] or found[2]
    section, _, rest = problem.key_path.partition(".")
    return rest.partition(".")[0] if section == "resources" else ""


def _near_name(reason: str, names: Names) -> str | None:
    """What the cloud has that is called nearly as what Heat does not find."""
    if not (found := _MISSING.search(reason)):
        return None
    kind, name = (part for part in found.groups() if part)
    with suppress(CloudError):
        return near(name, names(kind.lower()))
    return None


def _path(reason: str, top: Node, made: Mapping[str, Any]) -> tuple[str, ...]:
    """The key path that the reason speaks of, as far as the template has it."""
    if isinstance(top.value, dict) and "topology_template" in top.value:
        return _node_template(reason, top, made)
    if found := _RESOURCE.search(reason):
        name = found[1] or found[2]
        wanted = ["resources", name]
        if "properties" in reason:
            wanted.append("properties")
            if inner := _PROPERTY.search(reason):
                wanted += re.split(r"[.\[\]]+", inner[1].strip(".[]"))
            elif unknown := _UNKNOWN.search(reason):
                wanted.append(unknown[1])
        # What a group repeats is written one level deeper.
        repeated = [*wanted[:3], "resource_def", *wanted[2:]]
        return max(_existing(top, wanted), _existing(top, repeated), key=len)
    if found := _PARAMETER.search(reason):
        return _existing(top, ["parameters", found[1] or found[2]])
    if found := _TYPE.search(reason):
        return _of_type(top, found[1] or found[2])
    for word in _QUOTED.findall(reason):
        path = _existing(top, ["resources", word])
        if len(path) == 2:
            return path
    return ()


def _node_template(reason: str, top: Node, made: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a TOSCA template: the node template that the resource was made of, or the input."""
    if found := _PARAMETER.search(reason):
        return _existing(top, ["topology_template", "inputs", found[1] or found[2]])
    path = ("topology_template", "node_templates")
    words = [word for groups in _RESOURCE.findall(reason) for word in groups if word]
    words += _QUOTED.findall(reason)
    words += [n for n, said in (made.get("resources") or {}).items() if said["type"] in reason]
    names = top.value["topology_template"] if isinstance(top.value, dict) else top
    made_of = [name for name, _ in _items(names, path[1])]
    for word in words:
        found_names = [n for n in made_of if word == n or word.startswith(f"{n}_")]
        if found_names:
            return (*path, max(found_names, key=len))
    return ()


def _existing(top: Node, wanted: list[str]) -> tuple[str, ...]:
    path: list[str] = []
    node = top
    for key in wanted:
        if not isinstance(node.value, dict) or key not in node.value:
            break
        node = node.value[key]
        path.append(key)
    return tuple(path)


def _of_type(top: Node, name: str) -> tuple[str, ...]:
    for resource, node in _items(top, "resources"):
        said = node.value.get("type") if isinstance(node.value, dict) else None
        if said is not None and said.value == name:
            return ("resources", resource, "type")
    return ()


def _items(top: Node, section: str) -> Iterator[tuple[str, Node]]:
    if isinstance(top.value, dict) and section in top.value:
        inner = top.value[section].value
        if isinstance(inner, dict):
            yield from inner.items()


def _place(top: Node, path: tuple[str, ...]) -> tuple[int | None, int | None]:
    node, place = top, None
    for key in path:
        place = node.keys.get(key)
        if not isinstance(node.value, dict):
            break
        node = node.value[key]
    return place or (None, None)


def _without_place(reason: str) -> str:
    """The reason without the path, which is said before it."""
    text = re.sub(r"^Property error: ", "", reason)
    text = re.sub(r"^(?:resources[.\[][\w.\[\]<>-]*: ?)+", "", text) or reason
    return text.rstrip(".")


def _type_at(top: Node, path: tuple[str, ...]) -> str:
    """The type of the resource that the path leads into; the inner one of a group."""
    node, found = top, ""
    for key in path:
        if not isinstance(node.value, dict):
            break
        node = node.value[key]
        if isinstance(node.value, dict) and "type" in node.value:
            found = str(node.value["type"].value)
    return found


def _meant(reason: str, resource_type: str, property_names: PropertyNames) -> str | None:
    """A property or a resource type that is nearly right."""
    if unknown := _UNKNOWN.search(reason):
        return near(unknown[1], property_names(resource_type))
    if not (found := _TYPE.search(reason)) or "could not be found" not in reason:
        return None
    return near(found[1] or found[2], COMMON_TYPES)


#: The types that templates mostly use; for "did you mean" only.
COMMON_TYPES = (
    "OS::Cinder::Volume",
    "OS::Cinder::VolumeAttachment",
    "OS::Heat::CloudConfig",
    "OS::Heat::MultipartMime",
    "OS::Heat::RandomString",
    "OS::Heat::ResourceChain",
    "OS::Heat::ResourceGroup",
    "OS::Heat::SoftwareConfig",
    "OS::Heat::Stack",
    "OS::Heat::Value",
    "OS::Heat::WaitCondition",
    "OS::Heat::WaitConditionHandle",
    "OS::Neutron::FloatingIP",
    "OS::Neutron::FloatingIPAssociation",
    "OS::Neutron::Net",
    "OS::Neutron::Port",
    "OS::Neutron::Router",
    "OS::Neutron::RouterInterface",
    "OS::Neutron::SecurityGroup",
    "OS::Neutron::SecurityGroupRule",
    "OS::Neutron::Subnet",
    "OS::Nova::KeyPair",
    "OS::Nova::Server",
    "OS::Nova::ServerGroup",
)
