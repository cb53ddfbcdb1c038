"""What pytest and the keeper of a stack say to each other: JSON, an object a line, one key each."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

from infraci.errors import ExitCode, InfraciError, UsageError

#: The keeper says what is planned, or why there is nothing to plan.
PLANNED, REFUSED = "planned", "refused"
#: pytest: stand it up; a check that has ended; no more of them, with pytest's exit status.
GO, CHECKED, DONE = "go", "checked", "done"
#: The keeper: a line for the user; it stands, in this run's folder; no more checks are heard,
#: and why; the run has ended.
SAID, READY, OVER, ENDED = "said", "ready", "over", "ended"


class Line:
    """One end. Threads may send at once; only one may hear."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._received = b""
        self._lock = threading.Lock()

    def send(self, key: str, value: object) -> bool:
        """Say something; returns whether anybody is there to hear it."""
        line = json.dumps({key: value}).encode("utf-8", "backslashreplace") + b"\n"
        try:
            with self._lock:
                self.end.sendall(line)
        except OSError:
            return False
        return True

    def hear(self) -> tuple[str, Any] | None:
        """The next that the other end says; blocks. None when it has gone."""
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
        """Whether something has been received that is not heard yet."""
        return b"\n" in self._received

    def hang_up(self) -> None:
        """Say no more; the other end hears that, and may still speak."""
        with contextlib.suppress(OSError):  # it has gone already
            self.end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Neither speak nor hear any more, whoever else may have inherited this end."""
        with contextlib.suppress(OSError):
            self.end.shutdown(socket.SHUT_RDWR)
        self.end.close()


def told(error: InfraciError) -> Mapping[str, Any]:
    """An error in plain values."""
    return {"message": error.message, "hint": error.hint or "", "exit_code": int(error.exit_code)}


def error_of(said: Mapping[str, Any]) -> InfraciError:
    """The error that was told of."""
    kind = UsageError if said["exit_code"] == ExitCode.INVALID else InfraciError
    return kind(said["message"], hint=said["hint"] or None)
