"""A server's log in the run's folder: lines with their times."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from infraci.base.closing import Closing
from infraci.base.mask import Masker
from infraci.base.writing import Log


class ServerLog(Closing):
    """Appends lines to a file; threads may share it."""

    def __init__(
        self, path: Path, masker: Masker, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._log = Log(path, masker=masker)
        self._masker = masker
        self._clock = clock

    def write(self, line: str) -> None:
        """Append a line; does nothing after :meth:`close`."""
        now = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        for part in line.split("\n"):
            # By itself, as a secret's end is looked for where a line begins.
            self._log.write(f"{now.replace('+00:00', 'Z')} {self._masker.mask(part)}\n")

    def close(self) -> None:
        """Close the file."""
        self._log.close()
