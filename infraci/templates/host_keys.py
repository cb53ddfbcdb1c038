"""A host key of ours for every server of a stack, given to cloud-init as user data.

Beside each server comes an ``OS::Heat::MultipartMime``, in which Heat itself joins the user data
that the template says with a part that says ``ssh_keys``. The private key travels in a hidden
parameter that only these resources ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infraci.templates.nested import nested_templates, registry, resolve
from infraci.templates.stack_request import StackRequest

PARAMETER = "infraci_host_key"

_SERVER = "OS::Nova::Server"
_MIME = "OS::Heat::MultipartMime"
#: Functions whose value only Heat knows.
_OPAQUE = frozenset({"get_param", "get_attr", "if", "yaql"})
_OURS = {"config": {"get_param": PARAMETER}, "type": "text"}
_DECLARED = {
    "type": "string",
    "hidden": True,
    "description": "The host key of this run's servers; put here by infraci.",
}


def with_host_key(
    request: StackRequest, *, private: str, public: str
) -> tuple[StackRequest, Mapping[str, str]]:
    """The request with this key pair for its servers; and the resources left out, with why.

    ``private`` is in OpenSSH's format.
    """
    nested = nested_templates(request.files)
    rewriting = _Rewriting(
        known=registry(request.environment),
        files=request.files,
        has_mime=any(_has_mime(template) for template in (request.template, *nested.values())),
    )
    template = rewriting.template(request.template)
    files = {url: json.dumps(rewriting.template(said)) for url, said in nested.items()}
    part = host_key_part(private, public)
    defaults = {**(request.environment.get("parameter_defaults") or {}), PARAMETER: part}
    rewritten = replace(
        request,
        template=template,
        files={**request.files, **files},
        environment={**request.environment, "parameter_defaults": defaults},
    )
    return rewritten, rewriting.left_out


def host_key_part(private: str, public: str) -> str:
    """What is added to a server's user data."""
    keys = {"ed25519_private": private, "ed25519_public": public}
    return "#cloud-config\n" + json.dumps({"ssh_deletekeys": True, "ssh_keys": keys})


def _has_mime(template: Mapping[str, Any]) -> bool:
    resources = template.get("resources") or {}
    return any(isinstance(said, dict) and said.get("type") == _MIME for said in resources.values())


@dataclass(slots=True)
class _Rewriting:
    known: Mapping[str, str]  # what types stand for
    files: Mapping[str, str]
    has_mime: bool  # whether a parameter or attribute may hold a multipart message
    left_out: dict[str, str] = field(default_factory=dict)

    def template(self, template: Mapping[str, Any]) -> dict[str, Any]:
        resources = template.get("resources") or {}
        messages: dict[str, Any] = {}
        rewritten = {
            name: self._walk(said, _Place(name=name, top=said, resources=resources), messages)
            for name, said in resources.items()
        }
        if not messages:
            return dict(template)
        return {
            **template,
            "parameters": {**(template.get("parameters") or {}), PARAMETER: _DECLARED},
            "resources": {**rewritten, **messages},
        }

    def _walk(self, node: Any, place: _Place, messages: dict[str, Any]) -> Any:
        """Any part of a resource: it, or what a group of it repeats, may be a server."""
        if isinstance(node, list):
            return [self._walk(item, place, messages) for item in node]
        if not isinstance(node, dict):
            return node
        if not (isinstance(node.get("type"), str) and resolve(node["type"], self.known) == _SERVER):
            return {key: self._walk(value, place, messages) for key, value in node.items()}
        properties = node.get("properties") or {}
        reason = self._why_not(properties, place, is_repeated=node is not place.top)
        if reason:
            self.left_out[place.name] = reason
            return node
        user_data = properties.get("user_data")
        if mime := place.mime(user_data):  # one more part for the message that there is
            said = place.resources[mime]
            parts = [*said["properties"]["parts"], _OURS]
            messages[mime] = {**said, "properties": {**said["properties"], "parts": parts}}
            return node
        message = f"{place.name}_infraci_user_data"
        theirs = [{"config": user_data, "type": "text"}] if user_data else []
        condition = {"condition": place.top["condition"]} if "condition" in place.top else {}
        messages[message] = {"type": _MIME, "properties": {"parts": [*theirs, _OURS]}, **condition}
        ours = {"user_data_format": "RAW", "user_data": {"get_resource": message}}
        return {**node, "properties": {**properties, **ours}}

    def _why_not(self, properties: Any, place: _Place, *, is_repeated: bool) -> str | None:
        """Why nothing can be joined to a server's user data; None if it can."""
        if not isinstance(properties, dict):
            return "its properties are not written in the template"
        user_data, form = properties.get("user_data"), properties.get("user_data_format")
        if not user_data:
            return None if form in (None, "RAW", "HEAT_CFNTOOLS") else f"its format is {form}"
        if form != "RAW":
            return f"its user_data_format is {form or 'HEAT_CFNTOOLS'}, not RAW"
        if mime := place.mime(user_data):
            parts = (place.resources[mime].get("properties") or {}).get("parts")
            return None if isinstance(parts, list) else f"the parts of {mime} are not a list"
        if is_repeated and "%" in json.dumps(user_data):
            return "its user_data may differ from server to server of its group"
        opaque = isinstance(user_data, dict) and not _OPAQUE.isdisjoint(user_data)
        if (self.has_mime and opaque) or self._is_message(user_data):
            return "its user_data is, or may be, a multipart message"
        return None

    def _is_message(self, user_data: Any) -> bool:
        """Whether text that is written in the template, or in a file of it, is one."""
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
class _Place:
    """The resource that is walked through."""

    name: str
    top: Mapping[str, Any]
    resources: Mapping[str, Any]  # of its template

    def mime(self, user_data: Any) -> str:
        """The MultipartMime of this template that user data is; empty if it is none."""
        match user_data:
            case {"get_resource": str(name)} if (
                isinstance(self.resources.get(name), dict)
                and self.resources[name].get("type") == _MIME
            ):
                return name
            case _:
                return ""
