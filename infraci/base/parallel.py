"""One piece of work for each of many servers, at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 32
) -> list[Result | Exception]:
    """Call ``work`` with each item in a thread; returns results or exceptions, in order.

    Ctrl-C is not kept waiting: what has not begun is dropped, and what runs is left to the
    caller, who can end it by closing what it works on.
    """
    # No executor of the standard library: an exception that a signal's handler raises while it
    # starts threads leaves it with one that nobody ends, and the interpreter waits for it.
    slots: list[_Slot[Result]] = [_Slot() for _ in items]
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(items)):
        todo.put(number)
    given_up = threading.Event()

    def labour() -> None:
        while not given_up.is_set():
            try:
                number = todo.get_nowait()
            except queue.Empty:
                return
            slots[number].fill(work, items[number])

    try:
        for _ in range(min(at_once, len(items))):
            threading.Thread(target=labour, daemon=True).start()
        return [slot.take() for slot in slots]
    finally:
        given_up.set()


class _Slot(Generic[Result]):
    """Where the outcome of one piece of work is put, and waited for."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: Result | Exception | None = None
        self._fatal: BaseException | None = None

    def fill(self, work: Callable[[Item], Result], item: Item) -> None:
        try:
            self._result = work(item)
        except Exception as error:
            self._result = error
        except BaseException as error:
            self._fatal = error
        finally:
            self._done.set()

    def take(self) -> Result | Exception:
        self._done.wait()
        if self._fatal is not None:
            raise self._fatal
        return self._result  # type: ignore[return-value]
