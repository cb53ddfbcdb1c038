"""Calls a function with many items at once, each in a thread."""

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

    On Ctrl-C this function raises at once: items that are not begun are dropped, and the threads
    that still run are left to the caller, who ends them by closing what they work on.
    """
    # No executor of the standard library: an exception that a signal's handler raises while it
    # starts threads leaves it with one that never ends, and the interpreter waits for it.
    slots: list[_Slot[Result]] = [_Slot() for _ in items]
    remaining: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(items)):
        remaining.put(number)
    is_cancelled = threading.Event()

    def run_items() -> None:
        while not is_cancelled.is_set():
            try:
                number = remaining.get_nowait()
            except queue.Empty:
                return
            slots[number].fill(work, items[number])

    try:
        for _ in range(min(at_once, len(items))):
            threading.Thread(target=run_items, daemon=True).start()
        return [slot.take() for slot in slots]
    finally:
        is_cancelled.set()


class _Slot(Generic[Result]):
    """The result of one item, once its thread has put it there."""

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
