"""The one place that retries a cloud's requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from infraci.base.deadline import Deadline, waits
from infraci.heat.cloud_errors import TransientCloudError

T = TypeVar("T")

#: How long to retry where no deadline is set.
_ALONE_S = 60.0
_CEILING_S = 5.0


class Retry:
    """Retries at growing intervals until the phase's deadline.

    Nothing below it retries: nested loops would multiply the requests.
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
        """Use this deadline for all calls meanwhile, those of other threads too."""
        self._deadlines.append(deadline)
        try:
            yield
        finally:
            self._deadlines.remove(deadline)

    @property
    def deadline(self) -> Deadline:
        """The deadline of the calls of now."""
        return (
            self._deadlines[-1] if self._deadlines else Deadline(_ALONE_S, self._clock, self._sleep)
        )

    def call(
        self, request: Callable[[], T], *, look_up: Callable[[], T | None] = lambda: None
    ) -> T:
        """Send a request until it is answered. Raises the last error if the time is over before.

        Before each retry ``look_up`` looks whether the request before succeeded all the same.
        """
        deadline, began = self.deadline, self._clock()
        for wait_s in waits(self.first_s, _CEILING_S):
            try:
                return request()
            except TransientCloudError as error:
                wait_s = max(wait_s, error.retry_after_s)
                if wait_s >= deadline.remaining_s:
                    raise
                if self._clock() + wait_s - began > error.retry_for_s:
                    raise
            deadline.pause(wait_s)
            if (result := look_up()) is not None:
                return result
        raise AssertionError("waits() never ends")
