"""Measures the disk of the state folder, and reserves room there for removing what was made.

The reserve is a file, which is removed when the disk is nearly full: stacks and servers can then
still be removed. Requests for new ones are refused before that. Files of other programs may take
the room that becomes free; the databases have room within, see
:mod:`infraci.local.domain.database_reserve`.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

#: With less than this left, databases and consoles may no longer be written.
LOW_BYTES = 1 << 20
#: With less than this left, nothing is made: databases, consoles and config drives grow.
NEEDED_BYTES = 32 << 20
_RESERVE_BYTES = 4 << 20


class DiskSpace:
    """The disk of a folder, and the reserve on it. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reserve = folder / "reserve"
        self._lock = threading.Lock()

    def measure(self) -> int:
        """The bytes that are free; makes the reserve, or removes it when the disk fills."""
        with self._lock:
            free_bytes = self._free_bytes()
            if free_bytes < LOW_BYTES:
                self._reserve.unlink(missing_ok=True)
                free_bytes = self._free_bytes()
            elif free_bytes > NEEDED_BYTES + _RESERVE_BYTES and not self._reserve.exists():
                self._hold_reserve()
        return free_bytes

    def _free_bytes(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize

    def _hold_reserve(self) -> None:
        try:
            file = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, _RESERVE_BYTES)
            finally:
                os.close(file)
        except OSError:  # the next call tries again
            with suppress(OSError):
                self._reserve.unlink(missing_ok=True)

    def shortage(self, needed: int) -> str | None:
        """Why the disk has no room for so many bytes; None if it has."""
        free_bytes = self.measure()
        if free_bytes >= needed:
            return None
        return (
            f"the disk of {self._folder} has {_mb(free_bytes)} left, and {_mb(needed)} are needed"
        )


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB"
