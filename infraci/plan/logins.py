"""Finds servers in a template that the run's key will not open.

Passes over user data that only Heat can compute.
"""

from __future__ import annotations

import email
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from infraci.model.pipeline import Pipeline
from infraci.plan.preview_servers import SERVER
from infraci.plan.roles import role_of, user_of
from infraci.templates import StackRequest, nested_templates, registry, resolve, values_given

_CLOUD_CONFIG = "#cloud-config"
#: The key under which a user's name says that it is the image's own user.
_DEFAULT = "default"


def login_notices(request: StackRequest, pipeline: Pipeline) -> Iterator[str]:
    """Why the run's key will not open the servers of some resources."""
    known = registry(request.environment)
    templates = [(request.template, values_given(request))]
    templates += [(nested, {}) for nested in nested_templates(request.files).values()]
    for number, (template, values) in enumerate(templates):
        known_values = _Reading(template=template, values=values, files=request.files)
        for name, properties in servers_declared(template, known):
            user = _user(properties, pipeline)
            yield from _keyless(name, properties, pipeline, is_top=number == 0, values=values)
            yield from _userless(name, user, known_values.cloud_configs(properties))
            if not properties.get("networks"):
                yield (
                    f"{name} names no networks: it gets the one that its stack or project has; a "
                    "cloud whose Heat asks Nova by microversion 2.37 or newer refuses such a server"
                )


def user_data_texts(request: StackRequest, url: str, properties: Mapping[str, Any]) -> list[str]:
    """The texts of a server's user data, as far as they are known without Heat.

    ``url`` is that of the nested template that the server is in; empty for the stack's own.
    """
    nested = nested_templates(request.files)
    template = nested.get(url, {}) if url else request.template
    values = {} if url else values_given(request)
    known_values = _Reading(template=template, values=values, files=request.files)
    return [text for text in known_values.texts(properties.get("user_data")) if text]


def servers_declared(
    template: Mapping[str, Any], known: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The servers of a template, those that a group repeats too, by their resource."""
    resources = template.get("resources")
    for name, resource in (resources if isinstance(resources, dict) else {}).items():
        todo = [resource]
        while todo:
            node = todo.pop()
            if isinstance(node, list):
                todo += node
            elif isinstance(node, dict):
                properties = node.get("properties")
                if resolve(str(node.get("type")), known) != SERVER:
                    todo += node.values()
                elif isinstance(properties, dict) and properties:
                    yield name, properties


def _user(properties: Mapping[str, Any], pipeline: Pipeline) -> str:
    name, metadata = properties.get("name"), properties.get("metadata")
    role = role_of(str(name), metadata if isinstance(metadata, dict) else {}, pipeline.servers)
    return user_of(role, pipeline.servers)


def _keyless(
    name: str,
    properties: Mapping[str, Any],
    pipeline: Pipeline,
    *,
    is_top: bool,
    values: Mapping[str, object],
) -> Iterator[str]:
    parameter, key = pipeline.stack.key_parameter, properties.get("key_name")
    cure = f"; say `key_name: {{get_param: {parameter}}}`"
    if not key:
        yield f"infraci cannot log in to {name}: it has no key_name{cure}"
    elif isinstance(key, str):
        yield f"infraci cannot log in to {name}: its key_name {key} is not the run's key pair{cure}"
    elif is_top and key == {"get_param": parameter} and values.get(parameter):
        yield (
            f"infraci cannot log in to {name}: its key pair is {values[parameter]}, since the"
            f" parameter {parameter} has that value; without one it is the run's"
        )


def _userless(name: str, user: str, configs: list[Mapping[str, Any]]) -> Iterator[str]:
    """Of several parts with ``user`` or ``users`` the last one counts."""
    renamed = [config["user"] for config in configs if config.get("user")]
    users = [config["users"] for config in configs if config.get("users") is not None]
    own = renamed[-1] if renamed else None
    own = own.get("name") if isinstance(own, dict) else own
    if own is not None and own != user:
        yield (
            f"infraci cannot log in to {name} as {user}: its user_data has `user: {own}`, who"
            " gets the run's key; say that in servers: user"
        )
    elif own is None and users and not _has_default(users[-1]):
        yield (
            f"infraci cannot log in to {name} as {user}: its user_data has `users:` without"
            " `default`, which stands for the image's user; only that one gets the run's key"
        )


def _has_default(users: object) -> bool:
    if isinstance(users, str):
        return _DEFAULT in [word.strip() for word in users.split(",")]
    if isinstance(users, dict):
        return _DEFAULT in users
    if isinstance(users, list):
        return any(
            entry.get("name") == _DEFAULT or _DEFAULT in entry
            if isinstance(entry, dict)
            else entry == _DEFAULT or (isinstance(entry, list) and _DEFAULT in entry)
            for entry in users
        )
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A template whose values are computed as far as that is possible without Heat."""

    template: Mapping[str, Any]
    values: Mapping[str, object]  # values of its parameters
    files: Mapping[str, str]

    def cloud_configs(self, properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The cloud-configs in a server's user data, as far as it is known."""
        if properties.get("user_data_format") not in ("RAW", "SOFTWARE_CONFIG"):
            return []  # Heat's own wrapping, in which it is no cloud-config
        configs: list[Mapping[str, Any]] = []
        for text in self.texts(properties.get("user_data")):
            for part in _parts(text):
                if part.lstrip().startswith(_CLOUD_CONFIG):
                    config = _parsed(part)
                    if isinstance(config, dict):
                        configs.append(config)
        return configs

    def texts(self, value: Any) -> Iterator[str]:
        """The texts of a value: one, or one for each part of a message."""
        match value:
            case {"get_resource": str(name)}:
                yield from self._made(name)
            case {"config": config}:
                yield from self.texts(config)
            case list():
                for inner in value:
                    yield from self.texts(inner)
            case _:
                yield self._text(value)

    def _made(self, name: str) -> Iterator[str]:
        """The user data that a resource makes; none of other resources."""
        resource = (self.template.get("resources") or {}).get(name)
        resource = resource if isinstance(resource, dict) else {}
        properties = resource.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        match resource.get("type"):
            case "OS::Heat::CloudConfig":
                dumped = yaml.safe_dump(properties.get("cloud_config"))
                yield f"{_CLOUD_CONFIG}\n{dumped}"
            case "OS::Heat::SoftwareConfig":
                yield self._text(properties.get("config"))
            case "OS::Heat::MultipartMime":
                yield from self.texts(properties.get("parts") or [])

    def _text(self, value: Any) -> str:
        """A text, with the functions that need no Heat; empty if it needs others."""
        match value:
            case str():
                return value
            case {"get_file": str(url)}:
                return self.files.get(url, "")
            case {"str_replace": {"template": template, "params": dict(params)}}:
                text = self._text(template)
                for word, replacement in params.items():
                    text = text.replace(str(word), self._text(replacement) or str(word))
                return text
            case {"list_join": [str(between), list(pieces)]}:
                return between.join(self._text(piece) for piece in pieces)
            case {"get_param": str(name)}:
                declared = (self.template.get("parameters") or {}).get(name)
                default = declared.get("default", "") if isinstance(declared, dict) else ""
                return str(self.values.get(name, default))
        return ""


def _parts(text: str) -> Iterator[str]:
    """The texts of a multipart message; any other text is one by itself."""
    if not text.lstrip()[:200].lower().startswith(("content-type:", "mime-version:", "from ")):
        yield text
        return
    for part in email.message_from_string(text.lstrip()).walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield payload.decode(errors="replace")


def _parsed(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
