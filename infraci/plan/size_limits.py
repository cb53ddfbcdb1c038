"""Checks a stack for sizes and overlapping subnets that Heat takes, but Nova or Neutron refuse.

Heat does not know these limits, so a run would meet them only while it makes the stack.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from itertools import combinations
from typing import Any

from infraci.heat import PreviewResource, StackPreview
from infraci.model.nova_limits import (
    Excess,
    base64_bytes,
    check_description,
    check_metadata,
    check_name,
    check_server_name,
    check_tags,
    check_user_data,
    check_volume_metadata,
)
from infraci.model.problem import Problem
from infraci.plan.preview_servers import SERVER
from infraci.plan.refusal import Refusals
from infraci.plan.sites import Site, site_of_resource
from infraci.templates import registry

#: How base64 of what gzip makes begins.
_GZIPPED = "H4sI"
_LEG = "OS::Neutron::RouterInterface"
_SUBNET = "OS::Neutron::Subnet"
_VOLUME = "OS::Cinder::Volume"
#: The services whose names and descriptions are limited.
_NAMED = ("OS::Nova::", "OS::Neutron::", "OS::Cinder::")
_DESCRIBED = ("OS::Neutron::", "OS::Cinder::")
#: What Heat's own clients add to user data that is not RAW is at least this long.
_CFNTOOLS_BYTES = 2048

#: The texts that a server's user data is made of, by its properties as they are written.
Texts = Callable[[str, Mapping[str, Any]], list[str]]


def limit_problems(
    preview: StackPreview, refusals: Refusals, *, texts: Texts, own_part: str = ""
) -> Iterator[Problem]:
    """A problem for each size that Nova or Neutron refuses, and for subnets that overlap.

    ``own_part`` is what infraci adds to each server's user data.
    """
    known = registry(refusals.request.environment)

    def site(resource: PreviewResource) -> Site:
        return site_of_resource(resource.path, refusals.templates, known)

    for resource in preview.walk():
        position = site(resource)
        for excess in _excesses(resource):
            yield _problem(refusals, position, excess.field, excess.message)
        if resource.type == SERVER:
            written = refusals.written(position)
            user_data = resource.properties.get("user_data")
            # Of another resource the preview has the name only.
            is_made = "get_resource" in (written.get("user_data") or ())
            bodies = texts(position.url, written)
            if isinstance(user_data, str) and not is_made:
                bodies = [user_data]
            form = resource.properties.get("user_data_format")
            for excess in _user_data(bodies, own_part, str(form)):
                yield _problem(refusals, position, excess.field, excess.message)
    for resource, message in _overlaps(preview, lambda r: refusals.written(site(r))):
        yield _problem(refusals, site(resource), "", message)


def _problem(refusals: Refusals, position: Site, field: str, message: str) -> Problem:
    path = (*position.path, "properties", field) if field else position.path
    return refusals.at(position.url, path, message)


def _excesses(resource: PreviewResource) -> Iterator[Excess]:
    name, description = (resource.properties.get(key) for key in ("name", "description"))
    if isinstance(name, str) and resource.type.startswith(_NAMED):
        yield from check_server_name(name) if resource.type == SERVER else check_name(name)
    if isinstance(description, str) and resource.type.startswith(_DESCRIBED):
        yield from check_description(description)
    metadata, tags = resource.properties.get("metadata"), resource.properties.get("tags")
    if resource.type in (SERVER, _VOLUME) and isinstance(metadata, dict):
        check = check_metadata if resource.type == SERVER else check_volume_metadata
        yield from check(
            {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}
        )
    if resource.type == SERVER and isinstance(tags, list):
        yield from check_tags([str(tag) for tag in tags])


def _user_data(texts: list[str], own_part: str, form: str) -> Iterator[Excess]:
    for text in texts:
        if text.startswith(_GZIPPED):
            message = (
                "it is gzip, which Heat's clients make base64 text of: cloud-init ignores that; "
                "give it as it is before gzip"
            )
            yield Excess(field="user_data", message=message)
    parts = [text for text in (*texts, own_part) if text]
    if not parts:
        return
    whole = parts[0] if len(parts) == 1 else _message(parts)
    size = len(whole.encode()) + (_CFNTOOLS_BYTES if form == "HEAT_CFNTOOLS" else 0)
    for excess in check_user_data(base64_bytes(size)):
        own = sum(len(text.encode()) for text in texts)
        added = "" if size == own else f", {size - own} of them added by Heat and infraci"
        message = f"{excess.message}; before it is {size} bytes{added}"
        yield Excess(field=excess.field, message=message)


def _message(parts: list[str]) -> str:
    """A multipart message as Heat makes it."""
    charsets = ["us-ascii" if part.isascii() else "utf-8" for part in parts]
    texts = [MIMEText(part, _charset=c) for part, c in zip(parts, charsets, strict=True)]
    return MIMEMultipart(_subparts=texts).as_string()


def _overlaps(
    preview: StackPreview, written: Callable[[PreviewResource], Mapping[str, Any]]
) -> Iterator[tuple[PreviewResource, str]]:
    """Subnets that overlap on one router, or in one network."""
    resources = list(preview.walk())
    subnets = {(r.stack_name, r.name): r for r in resources if r.type == _SUBNET}
    holders: dict[tuple[str, str, str], list[tuple[PreviewResource, PreviewResource]]] = {}
    for resource in resources:
        stack = resource.stack_name
        if resource.type == _LEG:
            name = _referred(resource, written(resource), "subnet")
            router = _referred(resource, written(resource), "router")
            if router and (subnet := subnets.get((stack, name))) is not None:
                holders.setdefault((stack, "router", router), []).append((resource, subnet))
        elif resource.type == _SUBNET and (
            network := _referred(resource, written(resource), "network")
        ):
            holders.setdefault((stack, "network", network), []).append((resource, resource))
    for (_, kind, name), members in holders.items():
        for (_, first), (resource, second) in combinations(members, 2):
            ranges = _cidr(first), _cidr(second)
            if ranges[0] and ranges[1] and ranges[0].overlaps(ranges[1]):
                yield (
                    resource,
                    (
                        f"subnet {second.name} ({ranges[1]}) overlaps subnet {first.name} "
                        f"({ranges[0]}) on {kind} {name}: Neutron refuses it"
                    ),
                )


def _referred(resource: PreviewResource, written: Mapping[str, Any], key: str) -> str:
    """The resource that a property names; Heat's preview leaves out those it has yet to make."""
    for name in (key, f"{key}_id"):
        match resource.properties.get(name) or written.get(name):
            case {"get_resource": str(other)}:
                return other
            case {"get_param": str(parameter)}:
                return f"of parameter {parameter}"
            case str(other) if other:
                return other
    return ""


def _cidr(subnet: PreviewResource) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(str(subnet.properties.get("cidr")), strict=False)
    except ValueError:
        return None
