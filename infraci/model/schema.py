"""The JSON Schemas of our files, for editors: made from the model, so that they agree with it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from infraci.model.pipeline import PipelineDefinition
from infraci.model.project import Project
from infraci.model.steps import STEP_KINDS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a pipeline file."""
    schema = _schema(PipelineDefinition, "urn:infraci:pipeline", "infraci pipeline")
    steps = schema["properties"]["configure"]["items"].pop("oneOf")
    schema["properties"]["configure"]["items"]["oneOf"] = _step_forms(steps)
    return schema


def project_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the project file."""
    return _schema(Project, "urn:infraci:project", "infraci project")


def _schema(model: type, identity: str, title: str) -> dict[str, Any]:
    schema = TypeAdapter(model).json_schema(by_alias=True, mode="validation")
    return {"$schema": _DIALECT, "$id": identity} | schema | {"title": title}


def _step_forms(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each step under its key; then the short forms."""
    forms: list[dict[str, Any]] = []
    for (kind, short), step in zip(STEP_KINDS.items(), steps, strict=True):
        text = {"type": "string", "minLength": 1}
        body = {"anyOf": [step, text if short else {"type": "null"}]}
        forms.append(
            {
                "type": "object",
                "properties": {kind: body},
                "required": [kind],
                "additionalProperties": False,
            }
        )
    names = [kind for kind, short in STEP_KINDS.items() if short is None]
    return [*forms, {"enum": names}]
