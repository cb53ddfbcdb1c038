"""A signal during start-up ends the command line with a sentence and 130, whatever is imported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.workspace import FILES, Workspace

#: What is imported one after the other, up to where a run handles signals itself.
MARKS = (
    "infraci.errors",
    "click",
    "infraci.cli",
    "infraci.app.checkout",
    "infraci.app.options",
    "git.cmd",
    "openstack.connection",
    "infraci.pipeline.run_phases",
)


#: Starts a program that ignores SIGINT.
_IGNORING = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("workspace")
    made = Workspace(folder=folder / "repository", state=folder / "state")
    made.create(FILES)
    return made


def start(workspace: Workspace, *, ignored: bool = False) -> subprocess.Popen[str]:
    """A run that tells what it imports, as soon as it has."""
    python = [sys.executable, "-P", "-X", "importtime"]
    command = [*python, "-m", "infraci", "run", "--cloud", "nowhere"]
    return subprocess.Popen(
        [*(_IGNORING if ignored else ()), *command],
        cwd=workspace.folder,
        env=workspace.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def hit(process: subprocess.Popen[str], mark: str, number: int) -> str:
    """Send a signal once the module is imported; returns what the command says itself."""
    assert process.stderr is not None
    output, is_hit = [], False
    for line in process.stderr:
        if not line.startswith("import time:"):
            output.append(line)
        elif line.rpartition("|")[2].strip() == mark:
            os.kill(process.pid, number)
            is_hit = True
    process.wait()
    assert is_hit
    return "".join(output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mark", MARKS)
def test_a_signal_while_something_is_imported(workspace: Workspace, mark: str, number: int) -> None:
    with start(workspace) as process:
        output = hit(process, mark, number)
    assert process.returncode == 130, output
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert f"error: interrupted by {name}" in output
    assert "Traceback" not in output
    assert not list((workspace.folder / ".infraci").glob("trees/*"))


def test_what_is_ignored_stays_ignored(workspace: Workspace) -> None:
    with start(workspace, ignored=True) as process:
        output = hit(process, "click", signal.SIGINT)
    assert process.returncode == 2
    assert "nowhere" in output


def test_an_interruption_that_a_library_swallows_is_not_lost(tmp_path: Path) -> None:
    program = """
import os, signal
from infraci.base import early_signals
early_signals.catch()
early_signals.begin()
from infraci.base.interrupts import Interrupts
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException:
    pass
try:
    with Interrupts():
        print("went on")
except KeyboardInterrupt:
    print(early_signals.sentence())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == "interrupted by SIGTERM\n"
