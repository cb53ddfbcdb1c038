"""Where infraci writes what others can read: logs and other text files, free of secrets.

``tests/test_writes.py`` lists all that is written elsewhere, and why that needs no masking.
"""

from __future__ import annotations

import threading
from pathlib import Path

from infraci.base.closing import Closing
from infraci.base.mask import Masker, process_masker
from infraci.base.terminal import shown

#: So much of a line without an end is held back, so that no secret is written in two parts.
_LONGEST_LINE = 1 << 20


def write_text(path: Path, text: str, *, masker: Masker | None = None) -> None:
    """Write text to a file, whose folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (masker or process_masker()).mask(text)
    path.write_text(content, encoding="utf-8", errors="replace")


class Log(Closing):
    """A file to which text is appended, whole lines at a time; threads may share it.

    What is in it can be shown in a terminal as it is.
    """

    def __init__(self, path: Path, *, masker: Masker | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", errors="replace")
        self._masker = masker or process_masker()
        self._rest = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> str:
        """Append text, but for a last line that has no end yet; returns what was written.

        A closed log takes no more, without complaint.
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
