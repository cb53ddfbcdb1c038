"""Writes the request that Heat is sent into a run's folder, without its secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import yaml

from infraci.base.mask import MASK
from infraci.base.writing import write_text
from infraci.templates.nested import nested_templates
from infraci.templates.stack_request import StackRequest, is_hidden, template_parameters


def show_template(request: StackRequest) -> str:
    """The template as YAML, with the defaults of hidden parameters masked."""
    return _yaml(_masked(request.template))


def save_request(
    request: StackRequest,
    *,
    template: Path,
    environment_file: Path,
    files: Path,
    mask: Callable[[str], str],
) -> None:
    """Write the template and the environment to these files, and what they name to a folder."""
    declared = template_parameters(request)
    hidden = {name for name, parameter in declared.items() if is_hidden(parameter)}
    environment = dict(request.environment)
    for section in ("parameters", "parameter_defaults"):
        if isinstance(environment.get(section), dict):
            environment[section] = _without(environment[section], hidden)
    parameters = {**environment.get("parameters", {}), **_without(request.parameters, hidden)}
    if parameters:
        environment["parameters"] = parameters
    _write(template, mask(show_template(request)))
    _write(environment_file, mask(_yaml(environment)))
    nested = nested_templates(request.files)
    for url, text in request.files.items():
        shown = _yaml(_masked(nested[url])) if url in nested else text
        _write(files / _path(url), mask(shown))


def _masked(template: Mapping[str, Any]) -> dict[str, Any]:
    declared = template.get("parameters") or {}
    parameters = {
        name: {**parameter, "default": MASK}
        if isinstance(parameter, dict) and is_hidden(parameter) and "default" in parameter
        else parameter
        for name, parameter in declared.items()
    }
    return {**template, "parameters": parameters} if declared else dict(template)


def _without(values: Mapping[str, object], hidden: set[str]) -> dict[str, object]:
    return {name: MASK if name in hidden else value for name, value in values.items()}


def _path(url: str) -> PurePosixPath:
    """A path below the folder for any URL."""
    name = unquote(re.sub(r"\Afile:/*", "", url)).replace("://", "/")
    return PurePosixPath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..")))


def _write(path: Path, text: str) -> None:
    write_text(path, text)


def _yaml(value: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(value, default=str))  # no anchors, no Python types
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
