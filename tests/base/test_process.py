"""Processes told apart: the living, the dead, and those with a dead one's number."""

from __future__ import annotations

import os
import subprocess
import sys

from infraci.base.process import is_alive, this_host, this_process


def test_this_process_is_alive() -> None:
    assert is_alive(this_process())
    assert this_process().startswith(f"{os.getpid()}.")


def test_a_number_that_is_used_again_is_another_process() -> None:
    assert not is_alive(f"{os.getpid()}.1")


def test_a_dead_process_is_not_alive() -> None:
    code = "from infraci.base.process import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not is_alive(done.stdout.decode().strip())


def test_a_zombie_is_not_alive() -> None:
    code = "from infraci.base.process import this_process; print(this_process(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        name = child.stdout.read().decode().strip()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(name)


def test_a_container_is_another_machine() -> None:
    ask = [sys.executable, "-c", "from infraci.base.process import this_host; print(this_host())"]
    inside = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", *ask],
        check=True,
        capture_output=True,
        text=True,
    )
    assert inside.stdout.strip() != this_host()
    outside = subprocess.run(ask, check=True, capture_output=True, text=True)
    assert outside.stdout.strip() == this_host()
