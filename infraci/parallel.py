"""One piece of work for each of many servers, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result], items: Sequence[Item], *, at_once: int = 32
) -> list[Result | Exception]:
    """Call ``work`` with each item in a thread; returns results or exceptions, in order.

    Ctrl-C is not kept waiting: what has not begun is dropped, and what runs is left to the
    caller, who can end it by closing what it works on.
    """
    if not items:
        return []
    pool = ThreadPoolExecutor(max_workers=min(at_once, len(items)))
    futures = [pool.submit(work, item) for item in items]
    try:
        results: list[Result | Exception] = []
        for future in futures:
            error = future.exception()
            if error is None:
                results.append(future.result())
            elif isinstance(error, Exception):
                results.append(error)
            else:
                raise error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return results
