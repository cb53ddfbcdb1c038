"""Work for many at once, which an interruption may end at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from infraci.base.parallel import in_parallel


def test_results_in_order_and_errors_among_them() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number * 10

    first, second, third = in_parallel(work, [1, 2, 3])
    assert (first, third) == (10, 30)
    assert isinstance(second, ValueError)


def test_nothing_to_do() -> None:
    assert in_parallel(lambda item: item, []) == []


def test_all_at_once() -> None:
    meeting = threading.Barrier(8, timeout=10)
    assert sorted(map(str, in_parallel(lambda _: meeting.wait(), range(8)))) == list("01234567")


def test_no_more_at_once_than_allowed() -> None:
    at_work: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        at_work.append(number)
        most.append(len(at_work))
        at_work.remove(number)

    in_parallel(work, range(100), at_once=2)
    assert max(most) <= 2


def test_what_is_no_exception_is_raised() -> None:
    def work(number: int) -> None:
        raise SystemExit(number)

    with pytest.raises(SystemExit):
        in_parallel(work, [1])


_PROGRAM = """
import signal, sys, threading
from infraci.base.parallel import in_parallel

class Stop(Exception): pass
def stop(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Stop
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
try:
    while True:
        in_parallel(lambda item: item, range(20))
except Stop:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", range(10))
def test_an_interruption_at_any_moment_leaves_no_thread_to_wait_for(number: int) -> None:
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(number / 97)  # wherever it is by now
        process.send_signal(2)
        try:
            stdout, _ = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert stdout == "stopped\n"
    assert process.returncode == 0
