"""What Heat is asked for, as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infraci.model.problem import Problem

#: What Heat takes for true.
_TRUE = ("t", "true", "on", "y", "yes", "1")

#: A file and a key path in it.
Origin = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRequest:
    """What Heat is asked for."""

    template: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # by URL: file:///PATH-IN-THE-TREE
    parameters: Mapping[str, object] = field(default_factory=dict)
    timeout_mins: int | None = None
    #: By parameter, the file and key path that its value comes from, if not the template itself.
    origins: Mapping[str, Origin] = field(default_factory=dict)
    #: What is no error, but may surprise.
    notices: tuple[Problem, ...] = ()


def template_parameters(request: StackRequest) -> Mapping[str, Mapping[str, Any]]:
    """The parameters that the template declares."""
    return declared_parameters(request.template)


def declared_parameters(template: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The parameters of a template, as far as they are written as such."""
    declared = template.get("parameters")
    declared = declared if isinstance(declared, dict) else {}
    return {name: said if isinstance(said, dict) else {} for name, said in declared.items()}


def with_key_pair(request: StackRequest, parameter: str, key_name: str) -> StackRequest:
    """The request with the run's key pair, if its parameter is declared and has no value yet."""
    given = {**(request.environment.get("parameters") or {}), **request.parameters}
    if parameter not in template_parameters(request) or given.get(parameter):
        return request
    return replace(request, parameters={**request.parameters, parameter: key_name})


def values_given(request: StackRequest) -> dict[str, object]:
    """The values of parameters, wherever they come from but for the template itself."""
    environment = request.environment
    return {
        **(environment.get("parameter_defaults") or {}),
        **(environment.get("parameters") or {}),
        **request.parameters,
    }


def is_hidden(declared: Mapping[str, Any]) -> bool:
    """Whether a template wants a parameter's value kept secret."""
    return str(declared.get("hidden", "")).lower() in _TRUE


def secrets_of(request: StackRequest) -> Iterator[str]:
    """The values of parameters that the template declares hidden."""
    given = values_given(request)
    for name, said in template_parameters(request).items():
        if is_hidden(said):
            value = given.get(name, said.get("default", ""))
            yield from (str(value), *_texts(value))


def _texts(value: object) -> Iterator[str]:
    """The texts in lists and mappings; not their numbers and booleans, which are in any log."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))
