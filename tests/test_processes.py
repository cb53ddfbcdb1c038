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


#: A process that outlives its worker, and tells if it outlives the controller as well.
SLOW = """\
import os, signal, sys, time
from pathlib import Path

worker = os.getppid()
controller = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1]

def end(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.kill(worker, signal.SIGKILL)
    for _ in range(80):
        if not Path(f"/proc/{controller}/cmdline").read_bytes():  # a zombie has none
            sys.exit("it is gone")
        time.sleep(0.1)
    Path("awaited").touch()
    sys.exit()

signal.signal(signal.SIGINT, end)
open("at-work", "w").close()
while True:
    signal.pause()
"""


@pytest.mark.timeout(60)
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
    assert (tmp_path / "awaited").exists()
