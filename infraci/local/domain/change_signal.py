"""Wakes the threads that poll the embedded cloud as soon as anything in it has changed.

Heat's engine polls. On a cloud whose servers need minutes a second between two polls costs nothing;
here it would be most of a run, and polling faster would take the processor from the very servers
that Heat waits for. So each change in a database notifies the signal, and a thread that polls
sleeps until then.
"""

from __future__ import annotations

import threading
import time

#: A thread that wakes waits this long for further changes, so that it polls once for all of them.
_GATHER_S = 0.004


class ChangeSignal:
    """Counts changes, and wakes the threads that wait for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._changes = 0

    def notify(self) -> None:
        """Say that something has changed."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int:
        """Wait for a change after the ``seen`` ones, or for the timeout.

        Returns the number of changes there were so far: ``seen`` for the next time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._changes != seen, timeout_s)
        time.sleep(_GATHER_S)
        return self._changes
