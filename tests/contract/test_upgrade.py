"""Upgrades on the embedded cloud and on a real OpenStack: in place, replacing, rolled back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.conftest import Repository
from tests.contract.repository import PIPELINE, SETUP, SPEC, STACK

pytestmark = pytest.mark.timeout(900)

UPGRADE = PIPELINE + "upgrade: {no_replace: [server]}\n"
CHANGED = STACK.replace("metadata: {role: web}", "metadata: {role: web, release: two}")
OLD_SETUP = SETUP + "echo one > /release\n"
NEW_SETUP = SETUP + "echo two > /release\n"
NEW_SPEC = SPEC + (
    '\n\ndef test_release(host):\n    assert host.file("/release").content_string == "two\\n"\n'
)


def record(repository: Repository) -> dict[str, Any]:
    """What is known of the latest run."""
    latest_run: dict[str, Any] = json.loads(repository.infraci("logs", "--json").stdout)
    return latest_run


def changes(repository: Repository) -> dict[str, str]:
    return {change["path"]: change["kind"] for change in record(repository)["changes"]}


def test_update_in_place(repository: Repository) -> None:
    resources = "resources:\n  net2: {type: OS::Neutron::Net}\n"
    repository.write({"setup.sh": OLD_SETUP})
    repository.write(
        {
            "pipelines/web.yaml": UPGRADE,
            "stack.yaml": CHANGED.replace("resources:\n", resources, 1),
            "setup.sh": NEW_SETUP,
            "specs/test_web.py": NEW_SPEC,
        }
    )
    done = repository.run()
    assert done.returncode == 0, done.stderr
    assert changes(repository) == {"net2": "added", "server": "updated"}
    assert "3 passed" in done.stderr
    assert "server is kept" in [case["name"] for case in record(repository)["testcases"]]


def test_update_that_replaces(repository: Repository) -> None:
    other = "      user_data_format: RAW\n      user_data: '#!/bin/sh'\n      metadata:"
    repository.write(
        {"pipelines/web.yaml": UPGRADE, "stack.yaml": STACK.replace("      metadata:", other)}
    )
    done = repository.run()
    assert done.returncode == 1, done.stderr
    assert changes(repository)["server"] == "replaced"
    failed = [
        case["name"] for case in record(repository)["testcases"] if case["outcome"] == "failure"
    ]
    assert failed == ["server is kept"]
    assert "2 passed" in done.stderr  # on the new server


def test_update_that_is_rolled_back(repository: Repository) -> None:
    never = """\
  never:
    type: OS::Neutron::Port
    depends_on: server
    properties: {network: {get_resource: net}, fixed_ips: [{ip_address: 10.60.0.10}]}
outputs:"""
    repository.write(
        {"pipelines/web.yaml": UPGRADE, "stack.yaml": CHANGED.replace("outputs:", never)}
    )
    done = repository.run()
    assert done.returncode == 1, done.stderr
    assert "it was rolled back" in done.stderr
    latest_run = record(repository)
    failed = [case["nodeid"] for case in latest_run["testcases"] if case["outcome"] == "failure"]
    assert failed == ["update: resource never"]
    assert {case["outcome"] for case in latest_run["rollback_testcases"]} == {"passed"}
