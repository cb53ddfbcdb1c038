"""Answers about a stack that are held back until Heat is done with it, for who asks so.

Who waits for a stack asks again and again, and each question costs Heat more than the next change
of that stack is worth. ``Prefer: wait=SECONDS`` (RFC 7240) has one answer come when it is final,
or when so much time has passed; a cloud that does not know it answers at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from infraci.local.domain.change_signal import ChangeSignal

_STACK = re.compile(r"/stacks/[^/]+/([0-9a-f-]{36})$")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+)")
#: Nobody is held longer: a thread is held as well.
_LONGEST_S = 10.0
#: A stack is looked at when something has changed, but no more often than the one, and no less
#: often than the other.
_SOONEST_S, _LATEST_S = 0.02, 0.2

WsgiApp = Callable[..., Iterable[bytes]]


class LongPoll:
    """Heat's API application, asked as late as its client prefers."""

    def __init__(
        self, app: WsgiApp, *, change_signal: ChangeSignal, is_busy: Callable[[str], bool]
    ) -> None:
        """``is_busy`` tells whether Heat still works on the stack of that id."""
        self._app = app
        self._change_signal = change_signal
        self._is_busy = is_busy

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer, when the time has come."""
        preferred = _WAIT.search(environ.get("HTTP_PREFER", ""))
        stack = _STACK.search(environ.get("PATH_INFO", ""))
        if preferred and stack and environ["REQUEST_METHOD"] == "GET":
            self._wait(stack[1], min(float(preferred[1]), _LONGEST_S))
        return self._app(environ, start_response)

    def _wait(self, stack_id: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        seen = -1
        while self._is_busy(stack_id) and (left_s := deadline - time.monotonic()) > 0:
            seen = self._change_signal.wait(seen, min(left_s, _LATEST_S))
            time.sleep(min(left_s, _SOONEST_S))
