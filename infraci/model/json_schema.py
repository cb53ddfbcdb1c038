"""Makes the JSON Schemas of infraci's files, for editors, from the classes of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from infraci.model.pipeline import PipelineDefinition
from infraci.model.project import Project
from infraci.model.steps import STEP_KINDS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The JSON Schema (2020-12) of a pipeline file."""
    schema = _schema(PipelineDefinition, "urn:infraci:pipeline", "infraci pipeline")
    items = schema["properties"]["configure"]["items"]
    items["oneOf"] = _step_forms(items["oneOf"])
    schema["anyOf"] = [{"required": ["specs"]}, {"required": ["serverspec"]}]
    return schema


def project_schema() -> Schema:
    """The JSON Schema (2020-12) of the project file."""
    return _schema(Project, "urn:infraci:project", "infraci project")


def _schema(model: type, identity: str, title: str) -> Schema:
    schema = TypeAdapter(model).json_schema(by_alias=True, mode="validation")
    schema = {"$schema": _DIALECT, "$id": identity} | schema | {"title": title}
    for part in _parts(schema):
        for name, field in part.get("properties", {}).items():
            definition = schema["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
            field.setdefault("title", name.replace("_", " ").title())
            field.setdefault("description", definition.get("description"))
        if "patternProperties" in part:
            part["additionalProperties"] = False
        if "minItems" in part:
            part.pop("default", None)
    return schema


def _parts(schema: Schema) -> Iterator[Schema]:
    """Every schema within a schema, itself first."""
    yield schema
    for value in schema.values():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict):
                yield from _parts(child)


def _step_forms(steps: list[Schema]) -> list[Schema]:
    """Each step under its key; then the short forms."""
    forms: list[Schema] = []
    for (kind, short), step in zip(STEP_KINDS.items(), steps, strict=True):
        alone = {"type": "string", "minLength": 1} if short else {"type": "null"}
        body = step if short == "" else {"anyOf": [step, alone]}
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
