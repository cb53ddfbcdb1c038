"""What a test has started ends with pytest, however that ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.processes import start_python

ROOT = Path(__file__).parents[1]
CONFTEST = "from tests.conftest import *\n"
#: A test that waits for a process, which ends in order when it is interrupted.
TEST = '''\
from pathlib import Path

from tests.processes import finish, start_python

PROGRAM = """
import os, signal, sys
pipe = open(os.environ["PIPE"], "w")
signal.signal(signal.SIGINT, lambda *_: (pipe.write("in order\\\\n"), sys.exit()))
signal.signal(signal.SIGTERM, lambda *_: pipe.write("out of order\\\\n"))
pipe.write("at work\\\\n")
pipe.flush()
while True:
    signal.pause()
"""

def test_something():
    finish(start_python("-c", PROGRAM))
'''


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("is_terminal", [False, True], ids=["one", "group"])
def test_a_process_ends_in_order_with_pytest(
    tmp_path: Path, number: signal.Signals, is_terminal: bool
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PIPE": str(pipe)}
    tests = start_python("-m", "pytest", "-p", "no:cacheprovider", cwd=tmp_path, env=environment)
    with pipe.open() as lines:
        assert lines.readline() == "at work\n"
        # A terminal's Ctrl-C reaches the whole process group.
        (os.killpg if is_terminal else os.kill)(tests.pid, number)
        # The pipe's end: nobody has it open any more.
        assert lines.read() == "in order\n"
    output, _ = tests.communicate()
    assert tests.returncode == (-number if number == signal.SIGKILL else 2), output


#: A process that outlives its worker; it must be interrupted once, and outlived by the controller.
SLOW = """\
import os, signal, sys, time
from pathlib import Path

worker = os.getppid()
controller = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])

def lives(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""  # a zombie has none
    except OSError:
        return False

def end_as(how):
    Path("end").write_text(how)
    sys.exit()

def end(*_):
    signal.signal(signal.SIGINT, lambda *_: end_as("interrupted twice"))
    looks = 0
    while looks < 50:
        looks += not lives(worker)
        if not lives(controller):
            end_as("not awaited")
        time.sleep(0.1)
    end_as("in order")

signal.signal(signal.SIGINT, end)
open("at-work", "w").close()
while True:
    signal.pause()
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_session_awaits_what_its_workers_have_started(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    program = tmp_path / "slow.py"
    program.write_text(SLOW)
    (tmp_path / "test_it.py").write_text(
        "from tests.processes import finish, start_python\n"
        f"def test_something(): finish(start_python({str(program)!r}))\n"
    )
    os.mkfifo(tmp_path / "at-work")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = ("-p", "no:cacheprovider", "-n", "1", f"--basetemp={tmp_path / 'temp'}")
    tests = start_python("-m", "pytest", *options, cwd=tmp_path, env=environment)
    (tmp_path / "at-work").read_text()
    os.kill(tests.pid, number)
    output, _ = tests.communicate()
    assert tests.returncode == pytest.ExitCode.INTERRUPTED, output
    assert (tmp_path / "end").read_text() == "in order"
