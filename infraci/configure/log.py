"""A server's own log in the run's folder: one line after the other, each with its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from infraci.mask import Masker


class ServerLog:
    """Appends lines to a file; threads may share it."""

    def __init__(
        self, path: Path, masker: Masker, *, clock: Callable[[], float] = time.time
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", errors="replace")
        self._masker = masker
        self._clock = clock
        self._lock = threading.Lock()

    def write(self, line: str) -> None:
        """Append a line; a closed log takes no more, without complaint."""
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        with self._lock:
            if not self._file.closed:
                self._file.write(f"{now.replace('+00:00', 'Z')} {self._masker.mask(line)}\n")
                self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._file.close()
