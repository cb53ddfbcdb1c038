"""Signals in every phase of a real run: nothing is left, or gc removes it."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.app.workspace import Workspace

pytestmark = pytest.mark.cloud

#: What `-v` says when a phase has begun, or is in its midst.
MARKS = {
    "provision": "provision …",
    "create": "CREATE_IN_PROGRESS",
    "boot": "waiting for it at",
    "configure": "configure …",
    "verify": "verify …",
    "destroy": "destroy …",
}


@pytest.mark.parametrize("phase", MARKS)
def test_kill_9_then_gc_leaves_nothing(workspace: Workspace, phase: str) -> None:
    status, output = workspace.stop_at(MARKS[phase], [signal.SIGKILL])
    assert status == -signal.SIGKILL, output
    dry = workspace.infraci("gc", "--dry-run")
    assert "would remove run tiny-" in dry.stdout
    swept = workspace.infraci("gc")
    assert swept.returncode == 0, swept.stderr
    assert workspace.leftovers() == []
    assert workspace.infraci("gc").stdout == "nothing to remove\n"


def test_gc_finds_what_nobody_remembers(workspace: Workspace) -> None:
    status, output = workspace.stop_at(MARKS["configure"], [signal.SIGKILL])
    assert status == -signal.SIGKILL, output
    for record in (workspace.folder / ".infraci" / "runs").rglob("*"):
        if record.is_file():
            record.unlink()
    swept = workspace.infraci("gc")
    assert "removed stack infraci-tiny-" in swept.stdout
    assert workspace.leftovers() == []


@pytest.mark.parametrize(
    ("phase", "number"),
    [*((phase, signal.SIGINT) for phase in MARKS), ("boot", signal.SIGTERM)],
)
def test_an_interruption_tears_down(
    workspace: Workspace, phase: str, number: signal.Signals
) -> None:
    status, output = workspace.stop_at(MARKS[phase], [number])
    assert status == 130, output
    assert workspace.leftovers() == []
    (run,) = json.loads(workspace.infraci("list", "--json").stdout)
    assert run["state"] == "destroyed"
    assert run["verdict"] == ("passed" if phase == "destroy" else "interrupted")


def test_a_second_ctrl_c_keeps_the_record(workspace: Workspace) -> None:
    process = workspace.start("-v", "run", "tiny")
    assert process.stderr is not None
    output = []
    for line in process.stderr:
        output.append(line)
        if MARKS["configure"] in line:
            cloud = json.loads((workspace.state / "address.json").read_text())["pid"]
            os.kill(cloud, signal.SIGSTOP)  # the tear-down shall not be over before the second
            process.send_signal(signal.SIGINT)
        if "destroy …" in line:
            process.send_signal(signal.SIGINT)
    process.communicate()
    os.kill(cloud, signal.SIGCONT)
    assert process.returncode == 130
    (run,) = json.loads(workspace.infraci("list", "--json").stdout)
    assert f"clean up by: infraci destroy {run['id']}" in "".join(output)
    assert run["state"] == "kept"
    assert workspace.infraci("destroy", run["id"]).returncode == 0
    assert workspace.leftovers() == []
