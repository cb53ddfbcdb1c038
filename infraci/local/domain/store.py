"""The store keeps the records of the embedded cloud in SQLite, by kind and id.

A process that is killed loses none of them: every change is one committed transaction. Only one
process has the store at a time, so that it reads each kind once, and has it in memory from then on.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.database_reserve import CHECKPOINT_PAGES, open_database
from infraci.local.domain.record import AnyRecord, Record, decode, encode

#: SQLite can no longer keep its word: the disk is full or broken, or no more files can be opened.
_LOST = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
)


def is_lost(error: BaseException | None) -> bool:
    """Whether an error is such that its database takes no more transactions."""
    code = getattr(error, "sqlite_errorcode", 0) if isinstance(error, sqlite3.Error) else 0
    return code & 0xFF in _LOST


class Store:
    """Records by kind and id; threads share it.

    Without a path it keeps all in memory. It notifies ``change_signal`` of each change, and calls
    ``on_lost`` when the database takes no more transactions.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        change_signal: ChangeSignal | None = None,
        on_lost: Callable[[BaseException], object] = lambda _: None,
    ) -> None:
        self._lock = threading.RLock()
        self._change_signal = change_signal or ChangeSignal()
        self._on_lost = on_lost
        self._tables: dict[str, dict[str, Any]] = {}
        self._db = open_database(path)
        self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS document"
            " (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads from the store while an address, or the like, is chosen."""
        with self._lock:
            yield

    def _execute(self, statement: str, values: Sequence[str]) -> list[Any]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            if is_lost(error):
                self._on_lost(error)
            raise

    def _table(self, kind: type[AnyRecord]) -> dict[str, AnyRecord]:
        """The records of a kind, by id."""
        table = self._tables.get(kind.kind)
        if table is None:
            rows = self._execute("SELECT id, body FROM document WHERE kind = ?", (kind.kind,))
            table = self._tables[kind.kind] = {id_: decode(kind, text) for id_, text in rows}
        return table

    def put(self, record: AnyRecord) -> AnyRecord:
        """Keep a record, in place of any there was of its id."""
        with self._lock:
            self._execute(
                "INSERT INTO document VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (record.kind, record.id, encode(record)),
            )
            self._table(type(record))[record.id] = record
        self._change_signal.notify()
        return record

    def get(self, kind: type[AnyRecord], id_: str) -> AnyRecord | None:
        """The record of that id, or None."""
        with self._lock:
            return self._table(kind).get(id_)

    def find(
        self, kind: type[AnyRecord], matches: Callable[[AnyRecord], bool] | None = None
    ) -> list[AnyRecord]:
        """The records that match, in no order; all of them without a condition."""
        with self._lock:
            records = list(self._table(kind).values())
        return [record for record in records if matches is None or matches(record)]

    def change(
        self, kind: type[AnyRecord], id_: str, change: Callable[[AnyRecord], AnyRecord]
    ) -> AnyRecord | None:
        """Put what ``change`` makes of a record in its place; None when it is gone meanwhile."""
        with self._lock:
            record = self.get(kind, id_)
            return None if record is None else self.put(change(record))

    def drop(self, record: Record) -> None:
        """Forget a record; forgetting one that is gone is fine."""
        with self._lock:
            self._execute(
                "DELETE FROM document WHERE kind = ? AND id = ?", (record.kind, record.id)
            )
            self._table(type(record)).pop(record.id, None)
        self._change_signal.notify()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()
