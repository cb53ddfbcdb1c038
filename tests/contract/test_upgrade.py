"""Upgrades on the embedded cloud and on a real OpenStack: in place, replacing, rolled back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.conftest import Site
from tests.contract.repository import PIPELINE, SETUP, SPEC, STACK

pytestmark = pytest.mark.timeout(900)

UPGRADE = PIPELINE + "upgrade: {no_replace: [server]}\n"
CHANGED = STACK.replace("metadata: {role: web}", "metadata: {role: web, release: two}")
OLD_SETUP = SETUP + "echo one > /release\n"
NEW_SETUP = SETUP + "echo two > /release\n"
NEW_SPEC = SPEC + (
    '\n\ndef test_release(host):\n    assert host.file("/release").content_string == "two\\n"\n'
)


def record(site: Site) -> dict[str, Any]:
    """What is known of the latest run."""
    found: dict[str, Any] = json.loads(site.infraci("logs", "--json").stdout)
    return found


def changes(site: Site) -> dict[str, str]:
    return {change["path"]: change["kind"] for change in record(site)["changes"]}


def test_update_in_place(site: Site) -> None:
    more = "resources:\n  net2: {type: OS::Neutron::Net}\n"
    site.write({"setup.sh": OLD_SETUP})
    site.write(
        {
            "pipelines/web.yaml": UPGRADE,
            "stack.yaml": CHANGED.replace("resources:\n", more, 1),
            "setup.sh": NEW_SETUP,
            "specs/test_web.py": NEW_SPEC,
        }
    )
    done = site.run()
    assert done.returncode == 0, done.stderr
    assert changes(site) == {"net2": "added", "server": "updated"}
    assert "3 passed" in done.stderr
    assert "server is kept" in [case["name"] for case in record(site)["testcases"]]


def test_update_that_replaces(site: Site) -> None:
    other = "      user_data_format: RAW\n      user_data: '#!/bin/sh'\n      metadata:"
    site.write(
        {"pipelines/web.yaml": UPGRADE, "stack.yaml": STACK.replace("      metadata:", other)}
    )
    done = site.run()
    assert done.returncode == 1, done.stderr
    assert changes(site)["server"] == "replaced"
    failed = [case["name"] for case in record(site)["testcases"] if case["outcome"] == "failure"]
    assert failed == ["server is kept"]
    assert "2 passed" in done.stderr  # on the new server


def test_update_that_is_rolled_back(site: Site) -> None:
    never = """\
  never:
    type: OS::Neutron::Port
    depends_on: server
    properties: {network: {get_resource: net}, fixed_ips: [{ip_address: 10.60.0.10}]}
outputs:"""
    site.write({"pipelines/web.yaml": UPGRADE, "stack.yaml": CHANGED.replace("outputs:", never)})
    done = site.run()
    assert done.returncode == 1, done.stderr
    assert "it was rolled back" in done.stderr
    found = record(site)
    failed = [case["nodeid"] for case in found["testcases"] if case["outcome"] == "failure"]
    assert failed == ["update: resource never"]
    assert {case["outcome"] for case in found["rollback_testcases"]} == {"passed"}
