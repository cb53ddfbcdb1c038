"""Listeners: HTTP servers that answer in threads of their own."""

from __future__ import annotations

import logging
import socket
import threading
import time

from cheroot.wsgi import Server

LOG = logging.getLogger(__name__)

#: A listener that can accept nothing would try, and tell, as often as it can.
_PAUSE_S = 0.1
_LOG_EVERY_S = 10.0


def listen(listener: Server) -> threading.Thread:
    """Have a server answer in a thread of its own, which is returned."""
    listener.error_log = _Errors()  # type: ignore[method-assign, assignment]
    listener.prepare()
    thread = threading.Thread(target=listener.serve, name="listener", daemon=True)
    thread.start()
    return thread


class _Errors:
    """A listener's log: the same error again is slowed down, and logged now and then."""

    def __init__(self) -> None:
        self._message = ""
        self._logged_at = 0.0

    def __call__(
        self, message: str = "", level: int = logging.INFO, traceback: bool = False
    ) -> None:
        now = time.monotonic()
        if message != self._message or now - self._logged_at >= _LOG_EVERY_S:
            self._message, self._logged_at = message, now
            LOG.log(level, message, exc_info=traceback)
        if level >= logging.ERROR:
            time.sleep(_PAUSE_S)


def free_port(host: str, preferred: object) -> int:
    """A port on which nothing listens: the preferred one if that is so. Raises OSError."""
    for port in (preferred, 0):
        if not isinstance(port, int):
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")
