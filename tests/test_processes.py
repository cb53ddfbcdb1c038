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
