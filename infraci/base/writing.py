"""Writes files that others can read, such as logs, without secrets.

``tests/test_writes.py`` lists all other code that writes, and why its text needs no masking.
"""

from __future__ import annotations

import threading
from pathlib import Path

from infraci.base.closing import Closing
from infraci.base.mask import Masker, process_masker
from infraci.base.terminal import shown

#: A line without an end is kept until it is longer, so that no secret is written in two parts.
_LONGEST_LINE = 1 << 20


def write_text(path: Path, text: str, *, masker: Masker | None = None) -> None:
    """Write text to a file, without secrets; makes its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (masker or process_masker()).mask(text)
    path.write_text(content, encoding="utf-8", errors="replace")


class Log(Closing):
    """A file to which text is appended, whole lines at a time; threads may share it.

    Its text can be shown in a terminal as it is.
    """

    def __init__(self, path: Path, *, masker: Masker | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", errors="replace")
        self._masker = masker or process_masker()
        self._rest = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> str:
        """Append text, but for a last line that has no end yet; returns what was written.

        After :meth:`close`, it does nothing.
        """
        with self._lock:
            lines, end, rest = (self._rest + text).rpartition("\n")
            if len(rest) > _LONGEST_LINE:
                lines, end, rest = lines + end + rest, "", ""
            self._rest = rest
            return self._append(lines + end)

    def close(self) -> str:
        """Append the rest, and close the file; returns what was written."""
        with self._lock:
            written = self._append(self._rest)
            self._rest = ""
            self._file.close()
            return written

    def _append(self, text: str) -> str:
        if not text or self._file.closed:
            return ""
        masked = shown(text, self._masker)
        self._file.write(masked)
        self._file.flush()
        return masked
