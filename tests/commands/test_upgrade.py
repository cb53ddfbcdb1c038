"""Upgrades, for real: the base stands, is updated to the commit, and nothing is left."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.app.workspace import PIPELINE, SPEC, STACK, Workspace
from tests.commands.test_run import outcomes

pytestmark = pytest.mark.cloud

UPGRADE = PIPELINE + "upgrade: {no_replace: [web]}\n"
UPGRADED = {"pipelines/tiny.yaml": UPGRADE}
#: Another role of the same server, and a second server.
IN_PLACE = STACK.replace("metadata: {role: web}", "metadata: {role: web, release: two}").replace(
    "outputs:",
    """\
  more:
    type: OS::Nova::Server
    depends_on: subnet
    properties:
      name: more
      image: {get_param: image}
      flavor: m1.tiny
      key_name: {get_param: key_name}
      networks: [{network: {get_resource: net}}]
outputs:""",
)
#: User data make a new server.
REPLACING = STACK.replace(
    "      metadata:", '      user_data_format: RAW\n      user_data: "#!/bin/sh"\n      metadata:'
)
#: Heat begins it; then Neutron refuses an address that no subnet has.
FAILING = STACK.replace("metadata: {role: web}", "metadata: {role: web, release: two}").replace(
    "outputs:",
    """\
  never:
    type: OS::Neutron::Port
    depends_on: web
    properties: {network: {get_resource: net}, fixed_ips: [{ip_address: 10.60.0.10}]}
outputs:""",
)


def properties(report: Path) -> list[dict[str, str]]:
    """What each suite of a report says of itself, by its name."""
    return [
        {"name": suite.get("name", "")}
        | {entry.get("name", ""): entry.get("value", "") for entry in suite.iter("property")}
        for suite in ET.parse(report).getroot().iter("testsuite")
    ]


def record(workspace: Workspace) -> dict[str, Any]:
    """The record of the latest run."""
    latest: dict[str, Any] = json.loads(workspace.infraci("logs", "--json").stdout)
    return latest


def of_specs(testcases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The testcases of specs."""
    return [case for case in testcases if case["phase"] == "verify"]


def test_a_stack_that_is_updated_in_place(workspace: Workspace) -> None:
    workspace.write({**UPGRADED, "stack.yaml": IN_PLACE}, "Two servers")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 0, done.stderr
    assert "upgrading from" in done.stderr
    assert "the update changed: 1 added (more); 1 updated (web)" in done.stderr
    report = workspace.folder / "out" / "tiny.xml"
    assert outcomes(report) == []
    suites = properties(report)
    assert [suite["name"] for suite in suites] == [
        "infraci.tiny.base.provision",
        "infraci.tiny.update",
        "infraci.tiny.destroy",
        "infraci.tiny.more",
        "infraci.tiny.web",
        "infraci.tiny.base.web",
    ]
    head, base = workspace.commits()[:2]
    assert {(suite["infraci.commit"], suite["infraci.base"]) for suite in suites} == {(head, base)}
    (web,) = [server for server in record(workspace)["servers"] if server["name"] == "web"]
    assert web["host_keys"]
    assert workspace.leftovers() == []


def test_a_server_that_was_not_to_be_replaced(workspace: Workspace) -> None:
    workspace.write({**UPGRADED, "stack.yaml": REPLACING}, "Other user data")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 1, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == ["infraci.tiny.update: failure"]
    assert "web (OS::Nova::Server) was replaced" in done.stderr
    assert "verify done" in done.stderr  # the new server was configured and looked at
    assert workspace.leftovers() == []


def test_a_server_that_may_be_replaced(workspace: Workspace) -> None:
    workspace.write(
        {"pipelines/tiny.yaml": PIPELINE + "upgrade: {}\n", "stack.yaml": REPLACING}, "Replace it"
    )
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 0, done.stderr
    assert "1 replaced (web)" in done.stderr
    assert workspace.leftovers() == []


def test_an_update_that_fails_is_rolled_back_and_looked_at(workspace: Workspace) -> None:
    workspace.write({**UPGRADED, "stack.yaml": FAILING}, "Fail")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 1, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == ["infraci.tiny.update: failure"]
    assert "cannot update stack" in done.stderr
    assert "it was rolled back" in done.stderr
    latest = record(workspace)
    assert len(of_specs(latest["rollback_testcases"])) == 2
    assert {case["outcome"] for case in latest["rollback_testcases"]} == {"passed"}
    failed = [case["nodeid"] for case in latest["testcases"] if case["outcome"] == "failure"]
    assert failed == ["update: resource never"]
    assert workspace.leftovers() == []


BAD_SPEC = {"specs/test_web.py": SPEC.replace('"/setup"', '"/nope"')}
BAD_STACK = {"stack.yaml": STACK.replace("flavor:", "flavour:")}
BAD_SETUP = {"setup.sh": "#!/bin/sh\nexit 7\n"}


@pytest.mark.parametrize(
    ("base", "wrong"),
    [
        (BAD_SPEC, ["infraci.tiny.base.web: error"]),
        (BAD_STACK, ["infraci.tiny.base.provision: error"]),
        (BAD_SETUP, ["infraci.tiny.base.web: error"]),
        ({"pipelines/tiny.yaml": "specs: []\n"}, ["infraci.tiny.plan: error"]),
    ],
)
def test_a_bad_base_blames_nobody(
    workspace: Workspace, base: Mapping[str, str], wrong: list[str]
) -> None:
    good = {name: (workspace.folder / name).read_text() for name in base}
    workspace.write(base, "Break it")
    workspace.write({**good, **UPGRADED}, "Mend it")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 125, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == wrong
    assert record(workspace)["testcases"] == []
    assert workspace.leftovers() == []


def test_a_base_without_that_pipeline(workspace: Workspace) -> None:
    workspace.write({"pipelines/other.yaml": UPGRADE}, "Another pipeline")
    done = workspace.infraci("run", "other", "--report", "out")
    assert done.returncode == 2, done.stderr
    assert "it has no pipeline other" in done.stderr
    assert "without `upgrade:` first" in done.stderr
    assert outcomes(workspace.folder / "out" / "other.xml") == ["infraci.other.plan: failure"]


def test_a_head_that_is_wrong_after_a_good_update(workspace: Workspace) -> None:
    workspace.write({**UPGRADED, **BAD_SPEC}, "Break it")
    done = workspace.infraci("run", "--report", "out")
    assert done.returncode == 1, done.stderr
    assert outcomes(workspace.folder / "out" / "tiny.xml") == ["infraci.tiny.web: failure"]
    assert len(of_specs(record(workspace)["base_testcases"])) == 2


def test_from_a_branch_and_taken_up_again(workspace: Workspace) -> None:
    workspace.git("branch", "release")
    workspace.write({"setup.sh": "#!/bin/sh\nexit 7\n"}, "In between")
    pipeline = {"pipelines/tiny.yaml": PIPELINE + "upgrade: {from: release}\n"}
    workspace.write(pipeline, "Upgrade")
    done = workspace.infraci("run", "--destroy", "passing")
    assert done.returncode == 1, done.stderr
    before = record(workspace)
    assert before["base"]["sha"] == workspace.commits()[-1]
    done = workspace.infraci("run", "--resume", before["id"])
    assert done.returncode == 1
    assert "update" not in done.stderr.partition("configure failed")[0].replace("upgrading", "")
    assert workspace.infraci("verify").returncode == 0  # the base's /setup is there already
    assert workspace.infraci("destroy", before["id"]).returncode == 0
    assert workspace.leftovers() == []


def test_uncommitted_changes_are_upgraded_to_from_their_commit(workspace: Workspace) -> None:
    workspace.write(UPGRADED, "Upgrade")
    (workspace.folder / "stack.yaml").write_text(IN_PLACE)
    done = workspace.infraci("run", "--working-tree")
    assert done.returncode == 0, done.stderr
    latest = record(workspace)
    assert latest["base"]["sha"] == latest["commit"]["sha"]
    assert latest["commit"]["dirty"]
    assert workspace.leftovers() == []
