"""The request for a stack: its template, environment, files and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infraci.model.problem import Problem

#: The texts that Heat takes for true.
_TRUE = ("t", "true", "on", "y", "yes", "1")

#: A file and a key path in it.
Origin = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRequest:
    """What Heat is sent to preview, create or update a stack."""

    template: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # by URL: file:///PATH-IN-THE-TREE
    parameters: Mapping[str, object] = field(default_factory=dict)
    timeout_mins: int | None = None
    #: By parameter, the file and key path that its value comes from, if not the template itself.
    origins: Mapping[str, Origin] = field(default_factory=dict)
    #: Warnings: no errors, but they may surprise.
    notices: tuple[Problem, ...] = ()


def template_parameters(request: StackRequest) -> Mapping[str, Mapping[str, Any]]:
    """The parameters that the template declares."""
    return declared_parameters(request.template)


def declared_parameters(template: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The parameters that a template declares; an entry that is no mapping counts as empty."""
    declared = template.get("parameters")
    declared = declared if isinstance(declared, dict) else {}
    return {name: entry if isinstance(entry, dict) else {} for name, entry in declared.items()}


def with_key_pair(request: StackRequest, parameter: str, key_name: str) -> StackRequest:
    """The request with the run's key pair, if its parameter is declared and has no value yet."""
    values = {**(request.environment.get("parameters") or {}), **request.parameters}
    if parameter not in template_parameters(request) or values.get(parameter):
        return request
    return replace(request, parameters={**request.parameters, parameter: key_name})


def values_given(request: StackRequest) -> dict[str, object]:
    """The parameters' values from environments, the pipeline and options, without defaults."""
    environment = request.environment
    return {
        **(environment.get("parameter_defaults") or {}),
        **(environment.get("parameters") or {}),
        **request.parameters,
    }


def is_hidden(declared: Mapping[str, Any]) -> bool:
    """Whether a parameter's value is secret."""
    return str(declared.get("hidden", "")).lower() in _TRUE


def secrets_of(request: StackRequest) -> Iterator[str]:
    """The values of parameters that the template declares hidden."""
    values = values_given(request)
    for name, declared in template_parameters(request).items():
        if is_hidden(declared):
            value = values.get(name, declared.get("default", ""))
            yield from (str(value), *_texts(value))


def _texts(value: object) -> Iterator[str]:
    """The texts in lists and mappings; numbers and booleans occur in any log, so are not secret."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))
