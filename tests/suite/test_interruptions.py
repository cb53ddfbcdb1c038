"""However pytest comes to its end, its stack does, too."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from tests.suite.conftest import Suite

pytestmark = pytest.mark.cloud

#: Says that it is under way, and waits for somebody to end it.
WAITS = """\
import pathlib, time

def test_waits(host):
    pathlib.Path("there").touch()
    time.sleep(600)
"""


def output_until(process: subprocess.Popen[str], mark: str) -> str:
    """Read what pytest says up to a line with the mark."""
    assert process.stdout is not None
    output = []
    for line in process.stdout:
        output.append(line)
        if mark in line:
            return "".join(output)
    raise AssertionError("".join(output))


def until_there(suite: Suite, process: subprocess.Popen[str]) -> None:
    """Wait until a test is under way."""
    for _ in Deadline(60).poll("the test", ceiling_s=0.1):
        if (suite.folder / "there").exists():
            return
        assert process.poll() is None, process.communicate()[0]


def until_destroyed(run: Path) -> dict[str, object]:
    """Wait until a run is over, its lock let go; its record."""
    for _ in Deadline(60).poll("the stack process's tear-down", ceiling_s=0.2):
        record: dict[str, object] = json.loads((run / "run.json").read_text())
        if record["destroyed"]:
            return record
    raise AssertionError


def test_ctrl_c_while_it_is_stood_up(suite: Suite) -> None:
    process = suite.begin("specs", "--infraci=pair")
    output = output_until(process, "heat: ")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output + rest
    assert "destroy done in" in rest
    (run,) = suite.runs()
    assert until_destroyed(run)["verdict"] == "interrupted"
    assert suite.leftovers() == []


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_ctrl_c_in_a_test(suite: Suite, workers: list[str]) -> None:
    suite.put("specs/test_waits.py", WAITS)
    process = suite.begin("specs", "--infraci=pair", *workers)
    until_there(suite, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "destroy done in" in output
    (run,) = suite.runs()
    assert until_destroyed(run)["verdict"] == "interrupted"
    assert suite.leftovers() == []


def test_ctrl_c_again_while_it_is_torn_down(suite: Suite) -> None:
    suite.put("specs/test_waits.py", WAITS)
    process = suite.begin("specs", "--infraci=pair")
    until_there(suite, process)
    process.send_signal(signal.SIGINT)
    output = output_until(process, "verify failed")
    process.send_signal(signal.SIGINT)
    output += process.communicate()[0]
    assert process.returncode != 0
    (run,) = suite.runs()
    assert until_destroyed(run)["verdict"] == "interrupted", output
    until_let_go(suite, run)
    assert suite.leftovers() == []


def test_pytest_is_killed(suite: Suite) -> None:
    suite.put("specs/web/test_x_waits.py", WAITS)
    process = suite.begin("specs/web", "--infraci=pair", "-s")
    until_there(suite, process)
    process.kill()
    process.communicate()
    (run,) = suite.runs()
    record = until_destroyed(run)
    assert record["verdict"] == "interrupted"
    assert of_verify(record) == ["test_web[web]"]
    until_let_go(suite, run)
    assert suite.leftovers() == []


def of_verify(record: Mapping[str, Any]) -> list[str]:
    """The names of a run's checks."""
    return [case["name"] for case in record["testcases"] if case["phase"] == "verify"]


def until_let_go(suite: Suite, run: Path) -> None:
    """Wait until the stack process has ended, which removes its export last."""
    for _ in Deadline(60).poll("the stack process's end", ceiling_s=0.2):
        if not any((suite.folder / ".infraci/trees").iterdir()):
            return


def test_the_stack_process_is_killed(suite: Suite) -> None:
    suite.put(
        "specs/web/test_kills.py",
        "import os, pathlib\n"
        "def test_kills(host, infraci_stack):\n"
        "    lock = pathlib.Path('.infraci/runs') / infraci_stack.run / 'lock'\n"
        "    os.kill(int(lock.read_text()), 9)\n",
    )
    status, output = suite.pytest("specs/web/test_kills.py", "--infraci=pair")
    assert status == 1
    assert "has died, status -9" in output
    assert "clean up by: infraci gc" in output
    assert "Traceback" not in output
    assert suite.infraci("gc").returncode == 0
    assert suite.leftovers() == []


def test_a_worker_dies(suite: Suite) -> None:
    suite.put("specs/web/test_dies.py", "import os\ndef test_dies(host): os._exit(7)\n")
    status, output = suite.pytest("specs", "--infraci=pair", "-n2", "--junitxml=out.xml")
    assert status == 1
    assert "1 failed, 4 passed in" in output, output
    (run,) = suite.runs()
    record = until_destroyed(run)
    assert record["verdict"] == "error"
    kinds = {case["name"]: case["kind"] for case in record["testcases"]}  # type: ignore[attr-defined]
    assert kinds["test_dies[web]"] == "crash"
    assert len(of_verify(record)) == 5
    assert suite.leftovers() == []
