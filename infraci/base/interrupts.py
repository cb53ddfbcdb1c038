"""Ctrl-C and SIGTERM: the first one ends the run in order; a second one ends the tear-down."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from infraci.base import early_signals
from infraci.errors import InterruptedRunError

AnyError = TypeVar("AnyError", bound=BaseException)

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AbandonedError(InterruptedRunError):
    """The user interrupted the tear-down as well."""


class Interruption(BaseException):
    """A signal's ``error`` on its way through code that may catch, or replace, every Exception.

    A phase, :meth:`Interrupts.until_interrupted` and the end of Interrupts raise the error itself.
    """

    def __init__(self, error: InterruptedRunError) -> None:
        super().__init__(error)
        self.error = error


def error_of(raised: Interruption | AnyError) -> InterruptedRunError | AnyError:
    """Return the error of a signal that was raised; any other exception itself."""
    return raised.error if isinstance(raised, Interruption) else raised


class Interrupts:
    """Turns signals into InterruptedRunError, raised in the main thread; a context manager.

    Only the first signal raises, and only inside :meth:`until_interrupted` or before its first
    call: later ones could hit code that cleans up. They are ignored until :meth:`tearing_down`,
    where the next one raises AbandonedError.
    """

    def __init__(self) -> None:
        self._count = 0
        self._raising = True
        self._deferring = 0
        self._pending: int | None = None
        self._on_first: Callable[[], None] | None = None
        self._tearing_down = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        early_signals.check()
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # A process that nohup started keeps running when the terminal closes.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if isinstance(error, Interruption):
            raise error.error from None

    @property
    def happened(self) -> bool:
        """Whether a signal has come."""
        return self._count > 0

    def check(self) -> None:
        """Raise if a signal has come: for code between two steps."""
        if self.happened:
            raise InterruptedRunError("cannot go on: the run was interrupted")

    def until_interrupted(self, action: Callable[[], object]) -> BaseException | None:
        """Call the action; returns what it raised, an interruption too.

        After that, no signal raises anything outside of the next such call.
        """
        try:
            try:
                self._raising = True
                action()
            finally:
                self._raising = False
        except BaseException as raised:
            return error_of(raised)
        return None

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Delay signals between the creation of a thing on the cloud and its entry in the record.

        A signal that comes meanwhile is raised at the end.
        """
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1
        if self._pending is not None and not self._deferring:
            number, self._pending = self._pending, None
            raise _interruption(number)

    @contextmanager
    def tearing_down(self, on_first: Callable[[], None]) -> Iterator[None]:
        """In here a signal raises AbandonedError, unless it is the first of all.

        That one calls ``on_first``, which says to the user that one more signal is needed.
        """
        self._tearing_down, self._on_first = True, on_first
        try:
            yield
        finally:
            self._tearing_down, self._on_first = False, None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._tearing_down:
            if self._count == 1 and self._on_first is not None:
                self._on_first()
            else:
                self._tearing_down = False  # one is enough
                error = AbandonedError("cannot wait for the tear-down: interrupted again")
                raise Interruption(error)
        elif self._deferring:
            self._pending = number if self._count == 1 else self._pending
        elif self._raising and self._count == 1:
            raise Interruption(_interruption(number))


def _interruption(number: int) -> InterruptedRunError:
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return InterruptedRunError(f"cannot finish the run: interrupted by {name}")
