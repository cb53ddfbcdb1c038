"""The protocol between pytest and a stack process: JSON, an object a line, one key each."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

from infraci.errors import ExitCode, InfraciError, UsageError

#: The stack process: the plan, or the error that there is none.
PLANNED, REFUSED = "planned", "refused"
#: pytest: stand the stack up; a check that has ended; pytest has ended, with its exit status.
GO, CHECKED, DONE = "go", "checked", "done"
#: The stack process: a line for the user; the stack stands, with the run's folder; the run takes
#: no more checks, with the error; the run has ended.
SHOW, READY, OVER, ENDED = "said", "ready", "over", "ended"


class Connection:
    """One end. Several threads may send; only one may receive."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._received = b""
        self._lock = threading.Lock()

    def send(self, key: str, value: object) -> bool:
        """Send a message; returns False where the other end is closed."""
        line = json.dumps({key: value}).encode("utf-8", "backslashreplace") + b"\n"
        try:
            with self._lock:
                self.end.sendall(line)
        except OSError:
            return False
        return True

    def receive(self) -> tuple[str, Any] | None:
        """The next message; blocks. None when the other end is closed."""
        while b"\n" not in self._received:
            try:
                chunk = self.end.recv(1 << 16)
            except ConnectionError:
                chunk = b""
            if not chunk:
                return None
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        ((key, value),) = json.loads(line).items()
        return key, value

    @property
    def has_more(self) -> bool:
        """Whether a message has arrived that was not received yet."""
        return b"\n" in self._received

    def finish_sending(self) -> None:
        """Close for sending; the other end sees that, and may still send."""
        with contextlib.suppress(OSError):  # the other end is closed already
            self.end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close both ways, also for processes that have inherited this end."""
        with contextlib.suppress(OSError):
            self.end.shutdown(socket.SHUT_RDWR)
        self.end.close()


def error_to_json(error: InfraciError) -> Mapping[str, Any]:
    """An error in plain values."""
    return {"message": error.message, "hint": error.hint or "", "exit_code": int(error.exit_code)}


def error_from_json(fields: Mapping[str, Any]) -> InfraciError:
    """The error that :func:`error_to_json` wrote."""
    kind = UsageError if fields["exit_code"] == ExitCode.INVALID else InfraciError
    return kind(fields["message"], hint=fields["hint"] or None)
