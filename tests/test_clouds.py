"""A session of tests takes down the OpenStack that it brings up, however it ends, and no other's.

A program stands in for the OpenStack's: it only notes what it is called with. So moments can be
chosen that the real one passes by, and the one that may be up stays as it is.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes import finish, start_python

ROOT = Path(__file__).parents[1]
CONFTEST = """\
from pathlib import Path

from tests import clouds
from tests.conftest import *

clouds._OPENSTACK = Path("cloud").absolute()
"""
TEST = """\
import pytest

@pytest.mark.live
@pytest.mark.parametrize("cloud", [pytest.param("openstack", id="live")])
def test_it(cloud, request):
    request.getfixturevalue(cloud)

def test_without_it():
    pass
"""
#: It is up from the beginning, or never.
CLOUD = """\
#!/bin/sh
echo "$1" >>calls
case $1 in
status) exit {status} ;;
up) echo >coming-up; exec sleep 600 ;;
esac
"""
IS_UP, IS_DOWN = 0, 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    os.mkfifo(tmp_path / "coming-up")
    return tmp_path


def start(folder: Path, *options: str, status: int) -> subprocess.Popen[str]:
    """Start the session's tests."""
    program = folder / "cloud"
    program.write_text(CLOUD.format(status=status))
    program.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pytest_ = ("-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={folder / 'temp'}")
    return start_python(*pytest_, *options, cwd=folder, env=environment)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("status", "calls"),
    [(IS_DOWN, ["status", "up", "down"]), (IS_UP, ["status", "up"])],
    ids=["its own", "another's"],
)
def test_an_interrupted_session(
    folder: Path, number: signal.Signals, workers: str, status: int, calls: list[str]
) -> None:
    tests = start(folder, "--live", "-n", workers, status=status)
    (folder / "coming-up").read_text()
    tests.send_signal(number)
    ended = finish(tests, timeout_s=120)
    assert ended.returncode == pytest.ExitCode.INTERRUPTED, ended.stdout
    assert (folder / "calls").read_text().split() == calls


def test_a_session_without_it_does_not_even_ask(folder: Path) -> None:
    ended = finish(start(folder, "-m", "not live", status=IS_UP), timeout_s=120)
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
    assert not (folder / "calls").exists()
