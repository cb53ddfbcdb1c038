"""Turns Heat's refusals into problems: the line of the template, and the name probably meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from infraci.base.mask import Masker
from infraci.errors import CloudError
from infraci.heat import LOCAL
from infraci.model.problem import Problem, near
from infraci.plan.sites import (
    QUOTED,
    UNIMPLEMENTED,
    UNKNOWN,
    Site,
    Templates,
    resource_named,
    sites_of,
)
from infraci.templates import StackRequest, nested_templates, secrets_of
from infraci.templates.places import KeyPath, Places, file_of, value_at

_UNAVAILABLE = re.compile(
    r"(?:HEAT-E\d+ )?Service \S+ is not available for resource type (\S+), reason: (.*)", re.DOTALL
)
_NO_TYPE = re.compile(r"The Resource Type \(([^)]+)\) could not be found")
_IS_OF_VALUE = re.compile(r"^Parameter '[^']+' is invalid: ")

#: The names that a resource type's properties have; none for a type that the cloud does not have.
PropertyNames = Callable[[str], Collection[str]]

#: The names of a kind (image, flavor, network, key) that there are on the cloud.
Names = Callable[[str], Collection[str]]

#: Heat's message for an image, flavor, network or key that the cloud does not have.
_MISSING = re.compile(
    r"The (image|flavor|network|key)\w*(?: ID)? \(([^)]+)\) could not be found"
    r"|No (image|flavor|network|key)\w* (?:matching|found for) (?:\{'name': )?'?([^'}]+)"
    r"|Unable to find (network) with name or id '([^']+)'",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Turns Heat's reasons into problems of a stack's files.

    To suggest a near name it calls ``property_names`` for an unknown property or type, and
    ``names`` for what the cloud does not have.
    """

    template: PurePosixPath
    places: Places
    request: StackRequest
    property_names: PropertyNames = lambda _: ()
    names: Names = lambda _: ()
    cloud: str = ""
    templates: Templates = field(default_factory=dict)  # as they were asked for; by URL
    masker: Masker = field(default_factory=Masker)

    @classmethod
    def of(
        cls, request: StackRequest, template: PurePosixPath, root: Path, **more: Any
    ) -> Refusals:
        """The refusals of a request that was made of files under a root."""
        templates = {"": request.template, **nested_templates(request.files)}
        return cls(
            template=template,
            places=Places(root),
            request=request,
            templates=templates,
            masker=Masker(secrets_of(request)),
            **more,
        )

    def problem(self, reason: str, site: Site | None) -> Problem:
        """The reason as a problem at the site's line; without a site, of the whole template."""
        problem = self.at(
            site.url if site else "",
            site.path if site else (),
            self._message(reason),
            suggestion=self._meant(reason, site),
            is_of_value=_IS_OF_VALUE.match(reason) is not None,
        )
        has_position = problem.line is not None or problem.file != str(self.template)
        whole = self.masker.mask(reason.rstrip("."))
        return problem if has_position else replace(problem, message=whole)

    def at(
        self,
        url: str,
        path: KeyPath,
        message: str,
        *,
        suggestion: str | None = None,
        is_of_value: bool = False,
    ) -> Problem:
        """A problem at a path of a template, or at the origin of a parameter's value."""
        file = file_of(url, str(self.template))
        origin = self.request.origins.get(str(path[1])) if is_of_value and path[1:] else None
        if origin is not None and not url:
            file, path = origin
        elif not url:
            path = self._written(path, message)
        return self.places.problem(file, path, self.masker.mask(message), suggestion=suggestion)

    def written(self, site: Site) -> Mapping[str, Any]:
        """The properties at a site as they are written."""
        properties = value_at(self.templates.get(site.url) or {}, (*site.path, "properties"))
        return properties if isinstance(properties, dict) else {}

    def _written(self, path: KeyPath, message: str) -> KeyPath:
        """The path in the file; in a TOSCA template, the node that became the resource."""
        above = ("topology_template", "node_templates")
        root = self.places.node(str(self.template))
        if _keys_of(root, above[0]) is None:
            return path
        if path[:1] == ("parameters",):
            return (above[0], "inputs", *path[1:])
        names = _keys_of(root, *above) or ()
        for word in (*map(str, path[1:2]), *QUOTED.findall(message)):
            made_of = [name for name in names if word == name or word.startswith(f"{name}_")]
            if made_of:
                return (*above, max(made_of, key=len))
        return ()

    def _message(self, reason: str) -> str:
        text = _without_position(reason)
        if match := _UNAVAILABLE.search(reason):
            return f"{match[1]} cannot be had: {match[2].rstrip('.')}"
        if match := UNIMPLEMENTED.search(text):
            whose = "the embedded cloud" if self.cloud == LOCAL else "this cloud's Heat"
            return f"{whose} does not honour the property {match[1]}"
        return text

    def _meant(self, reason: str, site: Site | None) -> str | None:
        """A property, a resource type or a name of the cloud's that is nearly right."""
        if site and (unknown := UNKNOWN.search(reason)):
            kind = _type_at(self.templates.get(site.url) or {}, site.path)
            return near(unknown[1], self.property_names(kind))
        if match := _NO_TYPE.search(reason):
            return self._near_type(match[1])
        return _near_name(reason, self.names)

    def _near_type(self, name: str) -> str | None:
        """The nearest type that the cloud has."""
        for candidate in get_close_matches(name, COMMON_TYPES, n=3, cutoff=0.8):
            if self.property_names(candidate):
                return candidate
        return None


def place_refusal(
    reason: str,
    *,
    template: PurePosixPath,
    root: Path,
    request: StackRequest | None = None,
    **more: Any,
) -> Problem:
    """Heat's reason as a problem of the nearest line that it is about; see :class:`Refusals`."""
    if request is None:
        request = StackRequest(template=_read(root / template))
    refusals = Refusals.of(request, template, root, **more)
    sites = sites_of(reason, refusals.templates)
    return refusals.problem(reason, sites[0] if sites else None)


def refused_resource(reason: str, problem: Problem) -> str:
    """The resource that Heat's reason is about, or its place in the template; empty if neither."""
    if name := resource_named(reason):
        return name
    section, _, rest = problem.key_path.partition(".")
    return rest.partition(".")[0] if section == "resources" else ""


def _read(path: Path) -> Mapping[str, Any]:
    try:
        read = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return read if isinstance(read, dict) else {}


def _near_name(reason: str, names: Names) -> str | None:
    """What the cloud has that is called nearly as what Heat does not find."""
    if not (match := _MISSING.search(reason)):
        return None
    kind, name = (part for part in match.groups() if part)
    with suppress(CloudError):
        return near(name, names(kind.lower()))
    return None


def _keys_of(node: yaml.Node | None, *path: str) -> list[str] | None:
    """The keys of a mapping; None if it is none."""
    for step in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == step), None)
    return [str(k.value) for k, _ in node.value] if isinstance(node, yaml.MappingNode) else None


def _without_position(reason: str) -> str:
    """The reason without the path, which the problem shows before it."""
    text = re.sub(r"^Property error: ", "", re.sub(r" \(HTTP \d+\)$", "", reason.rstrip(".")))
    text = re.sub(r"^(?:outputs|conditions)\.[\w.\[\]-]+: ", "", text)
    text = re.sub(r"^(?:\w+: )?(?:resources[.\[](?:<[^<>]*>|[\w.\[\]-])*: ?)+", "", text) or reason
    return text.rstrip(".")


def _type_at(template: Mapping[str, Any], path: KeyPath) -> str:
    """The type of the resource that the path leads into; the inner one of a group."""
    kinds: Iterator[Any] = (
        value_at(template, (*path[:length], "type")) for length in range(len(path), 0, -1)
    )
    return next((kind for kind in kinds if isinstance(kind, str)), "")


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
