"""Gives every server of a stack infraci's host key, through cloud-init's user data.

For each server infraci adds an ``OS::Heat::MultipartMime``, in which Heat joins the template's own
user data with a part that has ``ssh_keys``. The private key is the value of a hidden parameter that
only these resources use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infraci.model.decode import load_project
from infraci.model.project import HostKeySource
from infraci.templates.nested import nested_templates, registry, resolve
from infraci.templates.stack_request import StackRequest

PARAMETER = "infraci_host_key"

_SERVER = "OS::Nova::Server"
_MIME = "OS::Heat::MultipartMime"
#: Functions whose value only Heat knows.
_OPAQUE = frozenset({"get_param", "get_attr", "if", "yaql"})
_OWN_PART = {"config": {"get_param": PARAMETER}, "type": "text"}
_DECLARED = {
    "type": "string",
    "hidden": True,
    "description": "The host key of this run's servers; put here by infraci.",
}
#: Of an Ed25519 key pair with a comment, in OpenSSH's format, at most.
_PRIVATE_KEY_LENGTH = 440
_PUBLIC_KEY_LENGTH = 130


def with_host_key(
    request: StackRequest, *, private: str, public: str
) -> tuple[StackRequest, Mapping[str, str]]:
    """The request with this key pair for its servers; and why some resources do not get it.

    ``private`` is in OpenSSH's format.
    """
    nested = nested_templates(request.files)
    rewriter = _Rewriter(
        known=registry(request.environment),
        files=request.files,
        has_mime=any(_has_mime(template) for template in (request.template, *nested.values())),
    )
    template = rewriter.template(request.template)
    files = {url: json.dumps(rewriter.template(inner)) for url, inner in nested.items()}
    part = host_key_part(private, public)
    defaults = {**(request.environment.get("parameter_defaults") or {}), PARAMETER: part}
    rewritten = replace(
        request,
        template=template,
        files={**request.files, **files},
        environment={**request.environment, "parameter_defaults": defaults},
    )
    return rewritten, rewriter.left_out


def host_key_part(private: str, public: str) -> str:
    """The part that is added to a server's user data."""
    keys = {"ed25519_private": private, "ed25519_public": public}
    return "#cloud-config\n" + json.dumps({"ssh_deletekeys": True, "ssh_keys": keys})


def host_key_placeholder(tree: Path, cloud: str) -> str:
    """A text as long as the host key that a run on that cloud adds to each server's user data."""
    if load_project(tree).cloud(cloud).host_keys is not HostKeySource.INJECTED:
        return ""
    return host_key_part("x" * _PRIVATE_KEY_LENGTH, "x" * _PUBLIC_KEY_LENGTH)


def _has_mime(template: Mapping[str, Any]) -> bool:
    resources = (template.get("resources") or {}).values()
    return any(isinstance(item, dict) and item.get("type") == _MIME for item in resources)


@dataclass(slots=True)
class _Rewriter:
    known: Mapping[str, str]  # what types stand for
    files: Mapping[str, str]
    has_mime: bool  # whether a parameter or attribute may hold a multipart message
    left_out: dict[str, str] = field(default_factory=dict)

    def template(self, template: Mapping[str, Any]) -> dict[str, Any]:
        resources = template.get("resources") or {}
        messages: dict[str, Any] = {}
        rewritten = {
            name: self._walk(node, _Resource(name=name, top=node, resources=resources), messages)
            for name, node in resources.items()
        }
        if not messages:
            return dict(template)
        return {
            **template,
            "parameters": {**(template.get("parameters") or {}), PARAMETER: _DECLARED},
            "resources": {**rewritten, **messages},
        }

    def _walk(self, node: Any, resource: _Resource, messages: dict[str, Any]) -> Any:
        """Add the key to servers in any part of a resource, such as one that a group repeats."""
        if isinstance(node, list):
            return [self._walk(item, resource, messages) for item in node]
        if not isinstance(node, dict):
            return node
        if not (isinstance(node.get("type"), str) and resolve(node["type"], self.known) == _SERVER):
            return {key: self._walk(value, resource, messages) for key, value in node.items()}
        properties = node.get("properties") or {}
        reason = self._why_not(properties, resource, is_repeated=node is not resource.top)
        if reason:
            self.left_out[resource.name] = reason
            return node
        user_data = properties.get("user_data")
        if mime := resource.mime(user_data):  # add a part to the template's own message
            message = resource.resources[mime]
            parts = [*message["properties"]["parts"], _OWN_PART]
            messages[mime] = {**message, "properties": {**message["properties"], "parts": parts}}
            return node
        name = f"{resource.name}_infraci_user_data"
        parts = [{"config": user_data, "type": "text"}] if user_data else []
        condition = {"condition": resource.top["condition"]} if "condition" in resource.top else {}
        message = {"type": _MIME, "properties": {"parts": [*parts, _OWN_PART]}, **condition}
        messages[name] = message
        own = {"user_data_format": "RAW", "user_data": {"get_resource": name}}
        return {**node, "properties": {**properties, **own}}

    def _why_not(self, properties: Any, resource: _Resource, *, is_repeated: bool) -> str | None:
        """Why infraci cannot add a part to a server's user data; None if it can."""
        if not isinstance(properties, dict):
            return "its properties are not written in the template"
        user_data, form = properties.get("user_data"), properties.get("user_data_format")
        if not user_data:
            return None if form in (None, "RAW", "HEAT_CFNTOOLS") else f"its format is {form}"
        if form != "RAW":
            return f"its user_data_format is {form or 'HEAT_CFNTOOLS'}, not RAW"
        if mime := resource.mime(user_data):
            parts = (resource.resources[mime].get("properties") or {}).get("parts")
            return None if isinstance(parts, list) else f"the parts of {mime} are not a list"
        if is_repeated and "%" in json.dumps(user_data):
            return "its user_data may differ from server to server of its group"
        opaque = isinstance(user_data, dict) and not _OPAQUE.isdisjoint(user_data)
        if (self.has_mime and opaque) or self._is_message(user_data):
            return "its user_data is, or may be, a multipart message"
        return None

    def _is_message(self, user_data: Any) -> bool:
        """Whether text of the template, or of one of its files, is a multipart message."""
        match user_data:
            case {"get_file": str(url)}:
                return "multipart/" in self.files.get(url, "")
            case dict():
                return any(self._is_message(value) for value in user_data.values())
            case list():
                return any(self._is_message(value) for value in user_data)
            case _:
                return "multipart/" in str(user_data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """A top-level resource of a template."""

    name: str
    top: Mapping[str, Any]
    resources: Mapping[str, Any]  # of its template

    def mime(self, user_data: Any) -> str:
        """The template's MultipartMime that the user data refers to; empty if none."""
        match user_data:
            case {"get_resource": str(name)} if (
                isinstance(self.resources.get(name), dict)
                and self.resources[name].get("type") == _MIME
            ):
                return name
            case _:
                return ""
