"""A run walks through few files: those that ARCHITECTURE.md lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app.workspace import Workspace
from tests.processes import finish, start_python

ROOT = Path(__file__).parents[2]
ROOMS = ("commands", "app", "pipeline", "ledger")

#: Runs the command line, and writes in which of the files a function was called, by any thread.
TRACER = """
import inspect, sys, threading
from pathlib import Path

called = set()

def note(frame, event, argument):
    if event == "call":
        called.add(frame.f_code)

threading.setprofile(note)
sys.setprofile(note)
from infraci.cli import main

status = main(sys.argv[2:])
sys.setprofile(None)
files = {code.co_filename for code in called if code.co_flags & inspect.CO_OPTIMIZED}
Path(sys.argv[1]).write_text("\\n".join(files))
sys.exit(status)
"""


@pytest.mark.cloud
def test_a_run_walks_through_the_files_that_the_architecture_lists(
    workspace: Workspace, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    command = ("-P", "-c", TRACER, str(called), "run", "tiny")
    done = finish(start_python(*command, cwd=workspace.folder, env=workspace.environment))
    assert done.returncode == 0, done.stderr
    package = ROOT / "infraci"
    files = (Path(file) for file in called.read_text().splitlines())
    walked = {str(file.relative_to(package)) for file in files if file.is_relative_to(package)}
    assert {file for file in walked if file.split("/")[0] in ROOMS} == listed()


def test_the_files_of_a_run_are_few() -> None:
    assert len(listed()) <= 16


def listed() -> set[str]:
    """The files of a run's table in ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.partition("what it does in a run")[2].partition("\n\n")[0]
    return set(re.findall(r"`(\w+/\w+\.py)`", table))
