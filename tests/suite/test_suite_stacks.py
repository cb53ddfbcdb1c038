"""A session on a stack of its own, from its plan to its tear-down."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.suite.conftest import Suite

pytestmark = pytest.mark.cloud

CHOICE = """\
import os
import unittest

import pytest


@pytest.mark.infraci(role=["web", "cache"])
def test_role(host, infraci_server):
    assert infraci_server.role == "web"
    assert host.backend.get_hostname() == os.environ["INFRACI_SERVER"] == "web"


@pytest.mark.infraci(server="d*")
def test_name(host, infraci_server, infraci_servers):
    assert (infraci_server,) == infraci_servers
    assert infraci_server.name.startswith("infraci-pair-")
    assert host.check_output("id --user --name") == infraci_server.user


@pytest.mark.infraci(role="web", server="w*")
class TestBoth:
    def test_both(self, host): pass


def test_stack(infraci_stack, infraci_servers):
    first, second = infraci_stack.outputs["addresses"]
    assert first.startswith("10.9.7.")
    assert infraci_stack.outputs["secret"] == "******"
    assert infraci_stack.resources["net"].type == "OS::Neutron::Net"
    assert infraci_stack.resources["web"].physical_id == infraci_stack.servers[0].id or (
        infraci_stack.resources["web"].physical_id == infraci_stack.servers[1].id
    )
    assert {server.role for server in infraci_servers} == {"web", "database"}


def test_local(): pass


def test_fails(host):
    print("open-sesame")
    assert host.file("/none").exists
"""


def record_of(run: Path) -> Mapping[str, Any]:
    record: Mapping[str, Any] = json.loads((run / "run.json").read_text())
    return record


def cases_of(run: Path) -> Mapping[str, str]:
    """The outcomes of a run's testcases."""
    return {case["name"]: case["outcome"] for case in record_of(run)["testcases"]}


def properties_of(report: Path) -> dict[str, str]:
    suite = next(ET.parse(report).iter("testsuite"))
    entries = suite.find("properties")
    assert entries is not None
    return {str(p.get("name")): str(p.get("value")) for p in entries}


def test_a_session(suite: Suite) -> None:
    suite.put("specs/test_choice.py", CHOICE)
    options = ["--infraci=pair", "-rA", "--junitxml=out.xml", "--html=out.html", "--lf"]
    status, output = suite.pytest("specs", *options)
    assert status == 1, output
    passed = {
        "all/test_all.py::test_all[db]",
        "all/test_all.py::test_all[web]",
        "database/test_db.py::test_db[db]",
        "web/test_web.py::test_web[web]",
        "test_choice.py::test_role[web]",
        "test_choice.py::test_name[db]",
        "test_choice.py::TestBoth::test_both[web]",
        "test_choice.py::test_stack",
        "test_choice.py::test_local",
    }
    lines = output.splitlines()
    assert {line[13:] for line in lines if line.startswith("PASSED specs/")} == passed
    assert "2 failed, 9 passed" in lines[-1]
    (run,) = suite.runs()
    record = record_of(run)
    assert (record["verdict"], record["destroyed"]) == ("failed", True)
    assert record["commit"]["dirty"]
    database = next(server["name"] for server in record["servers"] if server["role"] == "database")
    outcomes = cases_of(run)
    assert outcomes == {
        "stack": "passed",
        "boot[web]": "passed",
        f"boot[{database}]": "passed",
        "test_all[web]": "passed",
        f"test_all[{database}]": "passed",
        f"test_db[{database}]": "passed",
        "test_web[web]": "passed",
        "test_role[web]": "passed",
        f"test_name[{database}]": "passed",
        "test_both[web]": "passed",
        "test_stack": "passed",
        "test_fails[web]": "failure",
        f"test_fails[{database}]": "failure",
    }
    assert "open-sesame" not in (run / "run.json").read_text()
    assert "infraci.pair.stack" in (run / "junit.xml").read_text()
    theirs, ours = properties_of(suite.folder / "out.xml"), properties_of(run / "junit.xml")
    assert theirs.keys() >= ours.keys()
    assert theirs["infraci.verdict"] == ours["infraci.verdict"] == "failed"
    assert "test_fails[web]" in (suite.folder / "out.html").read_text()
    assert record["evidence"]
    assert (run / "stack.json").stat().st_mode & 0o777 == 0o600
    assert suite.leftovers() == []


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_folders_with_files_of_equal_names(suite: Suite, options: tuple[str, ...]) -> None:
    spec = "from helper import WHERE\ndef test_it(host): assert WHERE == '{}'\n"
    for name in ("web", "database"):
        suite.put(f"specs/{name}/helper.py", f"WHERE = '{name}'\n")
        suite.put(f"specs/{name}/conftest.py", "import helper\n")
        suite.put(f"specs/{name}/test_same.py", spec.format(name))
    status, output = suite.pytest("specs", "--infraci=pair", "-k", "test_it", *options)
    assert (status, "2 passed" in output) == (0, True), output


def test_a_stack_that_stands(suite: Suite) -> None:
    """Kept, used by several sessions, and destroyed."""
    status, output = suite.pytest("specs/web", "--infraci=pair", "--infraci-keep", "-q")
    assert status == 0, output
    (run,) = suite.runs()
    assert f"the stack stands; remove it by: infraci destroy {run.name}" in output
    suite.put(
        "specs/test_more.py",
        "import pathlib\n"
        "def test_first(host): assert pathlib.Path('mended').exists()\n"
        "def test_second(infraci_stack): assert not infraci_stack\n"
        "def test_flaky(host):\n"
        "    before = pathlib.Path('flaked').exists()\n"
        "    pathlib.Path('flaked').touch()\n"
        "    assert before\n",
    )
    again = ("specs/test_more.py", f"--infraci-run={run.name}", "-p", "no:randomly")
    status, output = suite.pytest(*again, "-x", "--junitxml=out.xml")
    assert status == 1
    assert "1 failed in" in output
    assert properties_of(suite.folder / "out.xml")["infraci.run"] == run.name
    suite.put("mended", "")
    status, output = suite.pytest(*again, "--lf", "-q")
    assert status == 0, output
    assert "1 passed" in output
    status, output = suite.pytest(*again, "--reruns=1", "-n2", "-p", "no:cacheprovider")
    assert status == 1
    assert "1 failed, 4 passed, " in output.splitlines()[-1]
    assert " rerun in " in output
    assert suite.runs() == [run]
    status, output = suite.pytest("specs", "--infraci=single", f"--infraci-run={run.name}")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"cannot test run {run.name} as pipeline single: it is of pair" in output
    assert suite.infraci("destroy", run.name).returncode == 0
    status, output = suite.pytest(*again)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"cannot test run {run.name}: its stack is destroyed" in output
    assert "Traceback" not in output


def test_stacks_of_modules_own(suite: Suite) -> None:
    for name, scope in (("one", "module"), ("two", "session"), ("three", "session")):
        suite.put(
            f"specs/own/test_{name}.py",
            "import pytest\n"
            f"pytestmark = pytest.mark.infraci(stack='pair', scope='{scope}', role='web')\n"
            "def test_it(host, infraci_stack): print('RUN', infraci_stack.run)\n",
        )
    suite.put(
        "specs/own/test_unit.py",
        "import unittest, pytest\n"
        "pytestmark = pytest.mark.infraci(stack='pair', scope='session', server='web')\n"
        "class TestUnit(unittest.TestCase):\n"
        "    @pytest.fixture(autouse=True)\n"
        "    def _host(self, host): self.host = host\n"
        "    def test_unit(self): assert self.host.check_output('hostname') == 'web'\n",
    )
    status, output = suite.pytest("specs/own", "-rP", "--junitxml=out.xml")
    assert status == 0, output
    runs = [line for line in output.splitlines() if line.startswith("RUN ")]
    assert len(runs) == 3
    assert len(set(runs)) == len(suite.runs()) == 2
    assert all(record_of(run)["destroyed"] for run in suite.runs())
    assert any(name.endswith(".infraci.run") for name in properties_of(suite.folder / "out.xml"))
    assert suite.leftovers() == []


def test_what_cannot_be_stood_up(suite: Suite) -> None:
    suite.put("setup.sh", "#!/bin/sh\necho it is broken >&2\nexit 3\n")
    suite.put(
        "pipelines/pair.yaml",
        "stack: {template: stack.yaml}\n"
        "configure: [{script: {path: setup.sh, roles: [web]}}]\nspecs: {all: [specs/all]}\n",
    )
    suite.put("specs/test_local.py", "def test_local(): pass\n")
    status, output = suite.pytest("specs", "--infraci=pair", "--junitxml=out.xml")
    assert status == 1
    assert "1 passed, 6 errors" in output.splitlines()[-1], output
    assert "web: setup.sh failed: it is broken" in output
    assert "not checked: web: setup.sh failed" in output
    assert "Traceback" not in output
    assert "def test_all" not in output
    (run,) = suite.runs()
    assert record_of(run)["verdict"] == "failed"
    assert properties_of(suite.folder / "out.xml")["infraci.verdict"] == "failed"
    assert suite.leftovers() == []


def test_the_time_of_the_verify_phase(suite: Suite) -> None:
    suite.put(
        "pipelines/pair.yaml",
        "stack: {template: stack.yaml}\nspecs: {all: [specs/all]}\ntimeouts: {verify: 1s}\n",
    )
    suite.put(
        "specs/all/test_all.py",
        "import time\ndef test_long(host): time.sleep(2)\ndef test_late(host): pass\n",
    )
    status, output = suite.pytest("specs/all", "--infraci=pair")
    assert status == 1
    assert "cannot finish the verify phase in 1 s: still waiting for pytest to end" in output
    (run,) = suite.runs()
    assert record_of(run)["verdict"] == "error"
    assert suite.leftovers() == []


def test_the_command_line_runs_the_same_tests(suite: Suite) -> None:
    suite.write({"specs/all/test_choice.py": CHOICE}, "Choose")
    done = suite.infraci("run", "pair")
    assert done.returncode == 1
    (run,) = suite.runs()
    outcomes = cases_of(run)
    database = next(s["name"] for s in record_of(run)["servers"] if s["role"] == "database")
    assert outcomes["test_role[web]"] == outcomes["test_both[web]"] == "passed"
    assert outcomes[f"test_name[{database}]"] == outcomes["test_stack"] == "passed"
    assert f"test_role[{database}]" not in outcomes
    assert "test_name[web]" not in outcomes
