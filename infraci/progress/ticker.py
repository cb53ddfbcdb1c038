"""A call from time to time, by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

_END_S = 5.0


class Ticker:
    """Calls from its start to its stop, every so many seconds."""

    def __init__(self, call: Callable[[], object], *, every_s: float) -> None:
        self._call = call
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Call no more."""
        self._stopped.set()
        self._thread.join(_END_S)

    def _tick(self) -> None:
        while not self._stopped.wait(self._every_s):
            self._call()
