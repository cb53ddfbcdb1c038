"""An answer about a stack waits for Heat, if its client prefers that."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from infraci.local.api.long_poll import LongPoll
from infraci.local.domain.change_signal import ChangeSignal

STACK = "/v1/project/stacks/shop/1f7ac100-0000-4000-8000-0000000000aa"


class Heat:
    """Works on its stacks for so many looks, and answers how many were left."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.stack_ids: list[str] = []

    def is_busy(self, stack_id: str) -> bool:
        self.stack_ids.append(stack_id)
        self.left -= 1
        return self.left > 0

    def __call__(self, _environ: dict[str, Any], _start: object) -> Iterable[bytes]:
        return [str(self.left).encode()]


def answer(heat: Heat, prefer: str | None, *, path: str = STACK, method: str = "GET") -> int:
    app = LongPoll(heat, change_signal=ChangeSignal(), is_busy=heat.is_busy)
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    if prefer is not None:
        environ["HTTP_PREFER"] = prefer
    return int(b"".join(app(environ, None)))


@pytest.mark.parametrize("prefer", ["wait=60", "respond-async, wait=60", 'wait = "60"'])
def test_an_answer_comes_when_heat_is_done(prefer: str) -> None:
    heat = Heat(looks=3)
    assert answer(heat, prefer) == 0
    assert heat.stack_ids == ["1f7ac100-0000-4000-8000-0000000000aa"] * 3


@pytest.mark.parametrize("prefer", [None, "return=minimal", "wait=0", "await=5"])
def test_an_answer_comes_at_once_to_who_does_not_prefer_to_wait(prefer: str | None) -> None:
    assert answer(Heat(looks=3), prefer) >= 2


@pytest.mark.parametrize(
    ("path", "method"),
    [(STACK, "DELETE"), (f"{STACK}/events", "GET"), ("/v1/project/stacks", "GET")],
)
def test_nothing_else_waits(path: str, method: str) -> None:
    assert answer(Heat(looks=3), "wait=60", path=path, method=method) == 3


def test_an_answer_comes_when_the_time_is_over() -> None:
    assert answer(Heat(looks=10_000), "wait=1") > 0


def test_a_change_is_looked_at() -> None:
    change_signal, busy = ChangeSignal(), threading.Event()
    busy.set()
    app = LongPoll(
        lambda *_: [b"done"], change_signal=change_signal, is_busy=lambda _: busy.is_set()
    )
    answers: list[bytes] = []
    environ = {"PATH_INFO": STACK, "REQUEST_METHOD": "GET", "HTTP_PREFER": "wait=10"}
    asking = threading.Thread(target=lambda: answers.extend(app(environ, None)))
    asking.start()
    busy.clear()
    change_signal.notify()
    asking.join(9)
    assert answers == [b"done"]
