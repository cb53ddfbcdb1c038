"""Long-polls: answers a client that waits for a stack only once Heat is done with the stack.

A client that polls costs Heat more time than the stack's next change is worth. With the header
``Prefer: wait=SECONDS`` (RFC 7240) it gets one answer, when the stack is complete or failed, or
after that time; a cloud that does not know the header answers at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from infraci.local.domain.change_signal import ChangeSignal

_STACK = re.compile(r"/stacks/[^/]+/([0-9a-f-]{36})$")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+)")
#: The longest wait of a client: a thread of the server waits with it.
_LONGEST_S = 10.0
#: A stack's status is read when something has changed, but at least and at most so long apart.
_SOONEST_S, _LATEST_S = 0.02, 0.2

WsgiApp = Callable[..., Iterable[bytes]]


class LongPoll:
    """Passes a request to Heat's API as late as its client prefers."""

    def __init__(
        self, app: WsgiApp, *, change_signal: ChangeSignal, is_busy: Callable[[str], bool]
    ) -> None:
        """``is_busy`` says whether Heat still works on the stack of that id."""
        self._app = app
        self._change_signal = change_signal
        self._is_busy = is_busy

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
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
