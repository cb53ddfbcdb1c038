"""docs/pipelines.md says what is true: its examples load, and it knows every key."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from infraci.model.decode import load_project, parse_pipeline
from infraci.model.document import parse_document
from infraci.model.json_schema import json_schema
from infraci.model.nodes import plain
from infraci.model.problem import PipelineFileError
from infraci.model.steps import STEP_KINDS
from tests.model.trees import make_tree, write

DOCS = Path(__file__).parents[2] / "docs"
MANUAL = (DOCS / "pipelines.md").read_text()


def blocks(language: str, text: str = MANUAL) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PAGES = [MANUAL, *((DOCS / f"{name}.md").read_text() for name in ("configure", "serverspec"))]
PIPELINES = [
    block
    for page in PAGES
    for block in blocks("yaml", page)
    if not block.startswith("# infraci.yaml")
]


@pytest.mark.parametrize("block", PIPELINES)
def test_pipelines_load_and_are_valid(block: str) -> None:
    parse_pipeline(block)
    document = parse_document(block.encode(), file="x")
    assert document.root is not None
    jsonschema.validate(plain(document.root.data()), json_schema())


def test_the_project_file_loads(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("yaml") if block.startswith("# infraci.yaml"))
    write(tmp_path, "infraci.yaml", block)
    assert load_project(tmp_path).cloud("production").networks == {"public": "ext-net"}


def test_settings_are_json() -> None:
    for block in blocks("json"):
        json.loads(block)


def test_every_key_is_there_with_its_default() -> None:
    schema = json_schema()
    sections = {
        "": schema,
        "timeouts.": schema["$defs"]["Timeouts"],
        "stack.": schema["$defs"]["StackDefinition"],
        "servers.": schema["$defs"]["ServersDefinition"],
        "servers.roles.ROLE.": schema["$defs"]["RoleDefinition"],
        "upgrade.": schema["$defs"]["UpgradeDefinition"],
        "matrix.": schema["$defs"]["MatrixDefinition"],
    }
    by_name = {"timeouts", "stack", "servers", "servers.roles", "specs", "serverspec"}
    leaves = {
        f"{prefix}{name}": schema
        for prefix, section in sections.items()
        for name, schema in section["properties"].items()
        if f"{prefix}{name}" not in by_name
    }
    rows = {**_rows(MANUAL.partition("## Keys")[2].partition("### Steps")[0])}
    assert set(rows) == {*leaves, "specs.ROLE", "serverspec.ROLE"}
    for name, schema in leaves.items():
        _assert_default(rows[name], schema)


@pytest.mark.parametrize("kind", STEP_KINDS)
def test_every_key_of_every_step_is_there_with_its_default(kind: str) -> None:
    table = MANUAL.partition("### Steps")[2].partition("\n\n")[2].partition("\n### ")[0]
    part = re.split(r"^\| `", table.partition(f"| `{kind}` |")[2], flags=re.MULTILINE)[0]
    section = "".join(word.capitalize() for word in kind.split("-")) + "Step"
    properties = json_schema()["$defs"][section]["properties"]
    rows = {
        cells[1].strip("` "): cells[3].strip("` ")
        for line in part.splitlines()
        if line.startswith("| |") and len(cells := line.strip("|").split("|")) == 4
    }
    assert set(rows) == set(properties)
    for key, schema in properties.items():
        _assert_default(rows[key], schema)


def test_the_messages_shown_are_those_that_are_printed(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    text = """\
description: A web server
expires: 4 hours
stack:
  template: stack/web.yaml
configure:
  - cloud-init
  - script:
      path: scripts/setup.sh
      tiemout: 2m
specs: {all: [specs/common]}
"""
    with pytest.raises(PipelineFileError) as caught:
        parse_pipeline(text, name="web", root=tree)
    assert caught.value.message == blocks("text")[0].strip()


def _rows(text: str) -> dict[str, str]:
    lines = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `"))
    return {cells[0].strip("` "): cells[2].strip("` ") for cells in lines}


def _assert_default(shown: str, schema: dict[str, object]) -> None:
    default = schema.get("default")
    expected = "" if default in (None, [], {}, "") else json.dumps(default).strip('"')
    assert shown == expected


def test_the_project_files_of_the_guide_load(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs/openstack.md").read_text()
    examples = re.findall(r"```yaml\n( *# infraci.yaml\n.*?)```", guide, re.DOTALL)
    names, access = (textwrap.dedent(block) for block in examples)
    write(tmp_path, "infraci.yaml", names)
    assert load_project(tmp_path).cloud("production").networks == {"public": "ext-net"}
    write(tmp_path, "infraci.yaml", access)
    bastion = load_project(tmp_path).cloud("production").access.bastion
    assert bastion is not None
    assert (bastion.address, bastion.port, bastion.user) == ("jump.example.org", 22, "ci")
    assert len(bastion.host_keys) == 1
