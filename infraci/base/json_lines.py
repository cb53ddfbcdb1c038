"""Messages between two processes over a socket: JSON, one object a line, with one key each.

The key says what the message is, the value what it holds. Either process may send at any time; a
process that has ended closes its end, which the other one sees.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import socket
import threading
import time
from typing import Any, TypeAlias

from infraci.base.json_reader import read_json

Message: TypeAlias = tuple[str, Any]

#: A longer line is no message: the other process sends something else.
_LONGEST_LINE = 64 << 20
_CHUNK = 1 << 16


class JsonLines:
    """One end of such a connection. Threads may send at once; one thread at a time may receive."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = bytearray()
        self._lock = threading.Lock()

    def send(self, key: str, value: object) -> bool:
        """Send a message; returns False when the other end is closed."""
        line = json.dumps({key: value}).encode() + b"\n"
        try:
            with self._lock:
                self._end.sendall(line)
        except OSError:
            return False
        return True

    def receive(self, *, timeout_s: float = math.inf) -> Message | None:
        """The next message; None when the other end is closed.

        Raises TimeoutError when none has come in time, and ValueError for a line that is none.
        """
        ends = time.monotonic() + timeout_s
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > _LONGEST_LINE:
                raise ValueError("the line has no end")
            if not self._wait(ends - time.monotonic()):
                raise TimeoutError("no message has come in time")
            try:
                chunk = self._end.recv(_CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                return None
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return _message(line)

    @property
    def has_news(self) -> bool:
        """Whether :meth:`receive` would return, or begin to read a message, at once."""
        return b"\n" in self._received or self._wait(0.0)

    def shut_down(self) -> None:
        """Send no more; the other end sees that, and may still send."""
        with contextlib.suppress(OSError):  # it is closed already
            self._end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the connection, also for processes that have inherited this end."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _wait(self, limit_s: float) -> bool:
        """Wait until there is something to read, or the other end is closed."""
        if self._end.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(None if math.isinf(limit_s) else max(0.0, limit_s) * 1000))


def _message(line: bytes) -> Message:
    fields = read_json(line)
    if not isinstance(fields, dict) or len(fields) != 1:
        raise ValueError("it is no object with one key")
    (message,) = fields.items()
    return message
