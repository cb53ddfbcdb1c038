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
_IP_FREEBIND = 15  # from linux/in.h; Python's socket module doesn't name it
_ATTEMPTS = 9


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


def bind_to_absent(unbound: socket.socket) -> None:
    """Allow a socket an address that this machine doesn't have at this moment."""
    unbound.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)


def free_port(host: str, preferred: object) -> int:
    """A port on which nothing listens, by TCP or UDP: the preferred one if so. Raises OSError."""
    for port in (preferred, *[0] * _ATTEMPTS):
        if not isinstance(port, int):
            continue
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as other:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                number = int(probe.getsockname()[1])
                other.bind((host, number))
            except OSError:
                continue
            return number
    raise OSError(f"no free port on {host}")
