"""When to look again: at once after something has changed, seldom otherwise.

Heat's engine polls. On a cloud whose servers need minutes a second between two looks costs
nothing; here it would be most of a run, and polling faster would take the processor from the very
servers that are waited for. So every change that anybody writes down beats the pulse, and who
polls sleeps until it does.
"""

from __future__ import annotations

import threading
import time

#: What comes within this time of a change is looked at together with it.
_GATHER_S = 0.004


class ChangeSignal:
    """Counts changes, and wakes those who wait for one. Threads share it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._changes = 0

    def notify(self) -> None:
        """Something has changed."""
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
