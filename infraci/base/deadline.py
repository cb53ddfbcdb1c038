"""A deadline that all waits of a phase share, and the intervals between polls."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

from infraci.errors import InterruptedRunError, PhaseTimeoutError

#: What one wait grows by over the last, and how far jitter moves it to either side.
_GROWTH = 1.6
_JITTER = 0.2


class Deadline:
    """A limit of time that starts to run when it is made.

    ``phase`` names whose time it is in messages. Threads may share one; :meth:`cancel` ends
    every wait on it at once. Tests pass ``clock`` and ``sleep``.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
        *,
        phase: str = "this phase",
    ) -> None:
        self.seconds = seconds
        self.phase = phase
        self._clock = clock
        self._cancelled = threading.Event()
        self._sleep = sleep if sleep is not None else self._cancelled.wait
        self._end = clock() + seconds

    @property
    def remaining_s(self) -> float:
        """What is left, never below zero."""
        return max(0.0, self._end - self._clock())

    def cancel(self) -> None:
        """End every wait on this deadline with :class:`InterruptedRunError`."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled.is_set()

    def check(self, what: str | Callable[[], str]) -> None:
        """Raise :class:`PhaseTimeoutError` when the time is over, naming ``what`` was waited for.

        ``what`` continues "still waiting for"; a callable is asked when it is needed.
        """
        if self._cancelled.is_set():
            raise InterruptedRunError(f"cannot finish {self.phase}: interrupted")
        if self.remaining_s <= 0:
            raise self.expired(what)

    def expired(self, what: str | Callable[[], str]) -> PhaseTimeoutError:
        """Make the error for a wait for ``what`` that took too long."""
        awaited = what if isinstance(what, str) else what()
        return PhaseTimeoutError(
            f"cannot finish {self.phase} in {duration(self.seconds)}: still waiting for {awaited}",
            hint="find out what it waits for, or give it more time (timeouts: in the pipeline)",
        )

    def within(self, seconds: float) -> float:
        """``seconds``, or what is left of this deadline if that is less."""
        return min(seconds, self.remaining_s)

    def poll(
        self,
        what: str | Callable[[], str],
        *,
        first_s: float = 0.1,
        ceiling_s: float = 2.0,
    ) -> Iterator[int]:
        """Yield 0, 1, 2 … with growing waits between, until the caller has what it waits for.

        The waits grow from ``first_s`` to ``ceiling_s`` and are jittered, so that many waiters
        do not ask in step. When the time is over, :meth:`check` raises.
        """
        for attempt, wait_s in enumerate(waits(first_s, ceiling_s)):
            self.check(what)
            yield attempt
            self._sleep(self.within(wait_s))

    def pause(self, seconds: float) -> None:
        """Let so much time pass, or what is left. Raises InterruptedRunError if cancelled."""
        self._sleep(self.within(seconds))
        if self._cancelled.is_set():
            raise InterruptedRunError(f"cannot finish {self.phase}: interrupted")


def waits(first_s: float, ceiling_s: float) -> Iterator[float]:
    """Waits that grow from the first to the ceiling, jittered, without end."""
    wait_s = first_s
    while True:
        yield wait_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        wait_s = min(ceiling_s, wait_s * _GROWTH)


def duration(seconds: float) -> str:
    """Say ``seconds`` as people do: ``0.5 s``, ``90 s``, ``10 min``, ``1 h 30 min``."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
