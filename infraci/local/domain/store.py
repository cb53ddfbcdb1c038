"""What the embedded cloud remembers: API documents by kind and id, in SQLite.

The documents are the bodies that the Compute, Network and Image APIs show. A process that is
killed loses none of them: every change is one committed transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infraci.local.domain.change_signal import ChangeSignal
from infraci.local.domain.database_reserve import CHECKPOINT_PAGES, open_database

Document = dict[str, Any]

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


def new_id() -> str:
    """A fresh UUID, as OpenStack writes them."""
    return str(uuid.uuid4())


class Store:
    """Documents by kind and id; safe to share among threads.

    ``path`` None keeps everything in memory: that is how a plan is made without a cloud.
    ``pulse`` beats with each change; ``on_lost`` is told when the database takes no more.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        pulse: ChangeSignal | None = None,
        on_lost: Callable[[BaseException], object] = lambda _: None,
    ) -> None:
        self._lock = threading.RLock()
        self._pulse = pulse or ChangeSignal()
        self._on_lost = on_lost
        self._db = open_database(path)
        self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS document"
            " (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold everybody else off: for a choice that must not be made twice, as of an address."""
        with self._lock:
            yield

    def _execute(self, statement: str, values: Sequence[str]) -> list[Any]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            if is_lost(error):
                self._on_lost(error)
            raise

    def put(self, kind: str, document: Document) -> Document:
        """Keep ``document`` under its ``id``, in place of any there was."""
        with self._lock:
            self._execute(
                "INSERT INTO document VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, document["id"], json.dumps(document)),
            )
        self._pulse.beat()
        return document

    def get(self, kind: str, id_: str) -> Document | None:
        """The document of that id, or None."""
        with self._lock:
            rows = self._execute("SELECT body FROM document WHERE kind = ? AND id = ?", (kind, id_))
        return self._load(rows[0]) if rows else None

    def find(self, kind: str, **wanted: object) -> list[Document]:
        """The documents whose fields equal all those wanted, oldest id order undefined."""
        with self._lock:
            rows = self._execute("SELECT body FROM document WHERE kind = ?", (kind,))
        documents = [self._load(row) for row in rows]
        return [d for d in documents if all(d.get(k) == v for k, v in wanted.items())]

    def change(self, kind: str, id_: str, changes: Mapping[str, object]) -> Document | None:
        """Set fields of a document; None when it is gone meanwhile."""
        with self._lock:
            document = self.get(kind, id_)
            return None if document is None else self.put(kind, {**document, **changes})

    def drop(self, kind: str, id_: str) -> None:
        """Forget a document; forgetting one that is gone is fine."""
        with self._lock:
            self._execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, id_))
        self._pulse.beat()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    @staticmethod
    def _load(row: tuple[str]) -> Document:
        document: Document = json.loads(row[0])
        return document
