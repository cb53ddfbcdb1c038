"""The JSON Schemas agree with what the decoder accepts, and say something about every key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from infraci.model.document import parse_document
from infraci.model.json_schema import json_schema, project_schema
from infraci.model.nodes import plain
from tests.model.test_bad_pipelines import BAD_STEPS, NOT_A_PIPELINE, Bad
from tests.model.trees import FULL, MINIMAL

#: Bad in ways that a schema cannot see, or that only YAML 1.2's spelling shows.
_ONLY_FOR_THE_DECODER = {"infinite-parameter", "not-a-number", "eight-days", "zero", "script-null"}
_ONLY_FOR_THE_DECODER |= {"script-escaped-nul"}

REPOSITORY = Path(__file__).parents[2]
PIPELINES = sorted(
    path
    for folder in ("pipelines", "examples")
    for path in (REPOSITORY / folder).rglob("*.y*ml")
    if path.parent.name == "pipelines"
)


def errors(content: str, schema: dict[str, Any]) -> list[str]:
    document = parse_document(content.encode(), file="x")
    assert document.root is not None
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(plain(document.root.data()))]


def _errors_in(path: Path) -> list[str]:
    return errors(path.read_text(), json_schema())


@pytest.mark.parametrize("schema", [json_schema(), project_schema()], ids=["pipeline", "project"])
def test_the_schema_is_a_schema_with_an_identity(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:infraci:")


@pytest.mark.parametrize("schema", [json_schema(), project_schema()], ids=["pipeline", "project"])
def test_every_key_is_titled_and_described(schema: dict[str, Any]) -> None:
    for section in (schema, *schema["$defs"].values()):
        assert section["title"]
        assert section["description"]
        for name, schema in section.get("properties", {}).items():
            assert schema["title"], name
            assert schema["description"], name


def test_examples_in_the_schema_are_shown_as_people_write_them() -> None:
    timeouts = json_schema()["$defs"]["Timeouts"]["properties"]
    assert {name: schema["default"] for name, schema in timeouts.items()} == {
        "provision": "10m",
        "update": "10m",
        "configure": "10m",
        "verify": "10m",
        "destroy": "5m",
    }


@pytest.mark.parametrize("content", [MINIMAL, FULL], ids=["minimal", "full"])
def test_good_pipelines_are_valid(content: str) -> None:
    assert errors(content, json_schema()) == []


def test_pipelines_of_this_repository_are_valid() -> None:
    assert {path: errors for path in PIPELINES if (errors := _errors_in(path))} == {}


@pytest.mark.parametrize(
    "bad",
    [bad for bad in (*NOT_A_PIPELINE, *BAD_STEPS) if bad.name not in _ONLY_FOR_THE_DECODER],
    ids=lambda bad: bad.name,
)
def test_bad_pipelines_are_invalid(bad: Bad) -> None:
    assert isinstance(bad.content, str)
    assert errors(bad.content, json_schema()) != []


def test_project_files() -> None:
    good = "clouds:\n  prod: {images: {debian-12: Debian 12}, flavors: {}, networks: {a: 4}}\n"
    assert errors(good, project_schema()) == []
    assert errors("cloud: {}\n", project_schema()) != []
    access = "clouds: {prod: {access: {address: ADDRESS}, host_keys: injected}}\n"
    assert errors(access.replace("ADDRESS", "fixed"), project_schema()) == []
    assert errors(access.replace("ADDRESS", "null"), project_schema()) != []
    assert errors("clouds: {prod: {images: [a]}}\n", project_schema()) != []
