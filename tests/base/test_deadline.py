"""Deadline: time is injected, so nothing here waits."""

from __future__ import annotations

import pytest

from infraci.base.deadline import Deadline, duration
from infraci.errors import InterruptedRunError, PhaseTimeoutError


class FakeTime:
    """A clock that only sleep() moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_poll_waits_longer_each_time_up_to_the_ceiling_then_names_what_was_awaited() -> None:
    time = FakeTime()
    deadline = Deadline(60, time.clock, time.sleep, phase="provision")
    with pytest.raises(
        PhaseTimeoutError, match=r"cannot finish provision in 60 s: still waiting for stack web"
    ) as caught:
        for _ in deadline.poll("stack web", first_s=1, ceiling_s=8):
            pass
    assert caught.value.hint
    assert time.now == pytest.approx(160)
    assert 0.8 <= time.waits[0] <= 1.2
    assert max(time.waits) <= 8 * 1.2
    assert max(time.waits[:3]) < max(time.waits)


def test_poll_stops_asking_when_the_caller_has_it() -> None:
    time = FakeTime()
    attempts = []
    for attempt in Deadline(60, time.clock, time.sleep).poll("it"):
        attempts.append(attempt)
        if attempt == 2:
            break
    assert attempts == [0, 1, 2]
    assert len(time.waits) == 2


def test_the_last_wait_ends_with_the_deadline() -> None:
    time = FakeTime()
    deadline = Deadline(5, time.clock, time.sleep)
    with pytest.raises(PhaseTimeoutError):
        for _ in deadline.poll(lambda: "what was last seen", first_s=4, ceiling_s=4):
            pass
    assert sum(time.waits) == pytest.approx(5)
    assert deadline.remaining_s == 0
    assert deadline.within(3) == 0


def test_what_is_asked_for_when_the_time_is_over() -> None:
    time = FakeTime()
    seen = ["refused"]
    deadline = Deadline(1, time.clock, time.sleep)
    deadline.check(lambda: pytest.fail("asked too early"))
    seen.append("still booting")
    time.now += 2
    with pytest.raises(PhaseTimeoutError, match="still booting"):
        deadline.check(lambda: seen[-1])


def test_cancel_ends_a_wait() -> None:
    deadline = Deadline(3600, phase="configure")
    polls = deadline.poll("nothing that ever comes", first_s=3600, ceiling_s=3600)
    next(polls)
    deadline.cancel()
    with pytest.raises(InterruptedRunError, match="configure"):
        next(polls)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (90, "90 s"), (600, "10 min"), (5400, "1 h 30 min"), (3601, "1 h 1 s")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
