"""Programs that run on this machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from infraci.base.deadline import Deadline
from infraci.base.program import ProgramTimeoutError, run_program
from infraci.errors import InterruptedRunError
from tests.limits import growing_limits


def _run(
    script: str, *, timeout_s: float = 30, deadline: Deadline | None = None
) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = run_program(
        ["/bin/sh", "-c", script],
        cwd=Path("/"),
        environment={**os.environ, "A": "b"},
        timeout_s=timeout_s,
        deadline=deadline or Deadline(60),
        on_line=lines.append,
    )
    return status, lines


def test_what_it_says_and_how_it_ends() -> None:
    assert _run('pwd; echo "$A" >&2; printf "no newline"; exit 3') == (3, ["/", "b", "no newline"])
    assert _run("kill -9 $$") == (-9, [])
    assert _run("exec >&- 2>&-; sleep 0.3; exit 4") == (4, [])


def test_what_it_leaves_in_the_background_is_ended() -> None:
    status, (pid,) = _run("sleep 600 & echo $!")
    assert status == 0
    _wait_until_gone(int(pid))


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_it_takes_too_long(trap: str) -> None:
    for limit_s in growing_limits(0.3):
        with pytest.raises(ProgramTimeoutError) as caught:
            _run(f"{trap}echo $$; sleep 600 & sleep 601", timeout_s=limit_s)
        if caught.value.details:
            break
    assert f"it was killed after {limit_s:g} s" in caught.value.message
    _wait_until_gone(int(caught.value.details))


def test_somebody_cancels() -> None:
    deadline = Deadline(60)
    timer = threading.Timer(0.1, deadline.cancel)
    timer.start()
    with pytest.raises(InterruptedRunError):
        _run("sleep 600", deadline=deadline)
    timer.join()


def test_there_is_no_such_program() -> None:
    with pytest.raises(FileNotFoundError):
        run_program(
            ["/no/such/program"],
            cwd=Path("/"),
            environment={},
            timeout_s=1,
            deadline=Deadline(1),
            on_line=print,
        )


def _wait_until_gone(pid: int) -> None:
    """What is killed is gone when the kernel gets to it."""
    for _ in Deadline(10).poll(f"the end of {pid}", first_s=0.01):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
