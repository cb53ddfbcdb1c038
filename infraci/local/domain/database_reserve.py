"""Reserves room within a SQLite database, so that it takes transactions on a full disk.

A transaction writes to the write-ahead log first, and a checkpoint moves its pages to the
database. Both files keep the size that they once had: the log is written again from its beginning,
and pages that were deleted are used for new ones. So a large row that is written and deleted at
once leaves room in both that no other file can take.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from infraci.local.state_dir import private

#: After so many pages the log is moved to the database, and begun anew: a megabyte.
CHECKPOINT_PAGES = 256
_BUSY_S = 30.0
_MAKE = "CREATE TABLE IF NOT EXISTS spare (body BLOB)"
_FILL = "INSERT INTO spare VALUES (zeroblob(?))"
_CLEAR = "DROP TABLE IF EXISTS spare"
#: Leaves the log as long as it is, unlike TRUNCATE.
_CHECKPOINT = "PRAGMA wal_checkpoint(RESTART)"


def open_database(path: Path | None, *, busy_s: float = 5.0) -> sqlite3.Connection:
    """Open a database that threads may share, in memory without a path."""
    database = sqlite3.connect(
        private(path) if path else ":memory:",
        timeout=busy_s,
        check_same_thread=False,
        isolation_level=None,
    )
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("PRAGMA cache_size=-256")
    return database


class DatabaseReserve:
    """Room of a size in a database and in its log; an open connection keeps the log in place."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._size = size
        self._lock = threading.Lock()
        self._db = open_database(path, busy_s=_BUSY_S)

    @property
    def free_bytes(self) -> int:
        """The bytes that are left of it."""
        page_bytes = self._number("page_size")
        if self._path.stat().st_size < self._number("page_count") * page_bytes:
            return 0  # some of it is in the log alone
        logged = self._log.stat().st_size if self._log.exists() else 0
        return min(self._number("freelist_count") * page_bytes, logged)

    def _number(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    def refill(self) -> None:
        """Make the room again once half of it is used; on a full disk a later call does."""
        with self._lock:
            if self.free_bytes >= self._size // 2:
                return
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute(_MAKE)
                self._db.execute(_FILL, (self._size,))
                self._db.execute("COMMIT")
                self._db.execute(_CHECKPOINT)
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            finally:
                with suppress(sqlite3.Error):
                    self._db.execute(_CLEAR)
                    self._db.execute(_CHECKPOINT)  # it writes as much to the log again
