"""The one place where a cloud in passing trouble is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from infraci.base.deadline import Deadline, waits
from infraci.heat.cloud_errors import TransientCloudError

T = TypeVar("T")

#: How long a cloud is asked by who has no deadline.
_ALONE_S = 60.0
_CEILING_S = 5.0


class Retry:
    """Asks again, ever less often, until the phase's time is over.

    Nothing below it does: two loops around one another would multiply.
    """

    def __init__(
        self,
        *,
        first_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.first_s = first_s
        self._clock = clock
        self._sleep = sleep
        self._deadlines: list[Deadline] = []  # the innermost last

    @contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """Bound by this deadline whatever is asked meanwhile, in other threads too."""
        self._deadlines.append(deadline)
        try:
            yield
        finally:
            self._deadlines.remove(deadline)

    @property
    def deadline(self) -> Deadline:
        """The one that bounds what is asked now."""
        return (
            self._deadlines[-1] if self._deadlines else Deadline(_ALONE_S, self._clock, self._sleep)
        )

    def ask(self, ask: Callable[[], T], *, found: Callable[[], T | None] = lambda: None) -> T:
        """Ask until there is an answer. Raises the last trouble when there is none in time.

        ``found`` looks, before each further try, whether the one before was heard all the same.
        """
        deadline, began = self.deadline, self._clock()
        for wait_s in waits(self.first_s, _CEILING_S):
            try:
                return ask()
            except TransientCloudError as error:
                wait_s = max(wait_s, error.retry_after_s)
                if wait_s >= deadline.remaining_s:
                    raise
                if self._clock() + wait_s - began > error.retry_for_s:
                    raise
            deadline.pause(wait_s)
            if (answer := found()) is not None:
                return answer
        raise AssertionError("waits() never ends")
