"""What pytest prints in a fork of the warm interpreter, on its way to the log."""

from __future__ import annotations

import codecs
import os
import select
import threading
import time
from pathlib import Path

from infraci.base.closing import Closing
from infraci.base.mask import mask
from infraci.base.writing import Log

#: Of what was printed, so many characters at the end are kept for a testcase that needs them.
_TAIL = 20_000
_LOOK_MS = 100
#: For so long what is left in the pipe is read, once the fork has ended.
_END_S = 5.0


class Output(Closing):
    """A pipe to print into, and a thread that appends what comes out of it to a log, masked.

    The fork gets no file to write to, as the specs know the environment's secrets, and what they
    print must not be kept as it is.
    """

    def __init__(self, log: Path | None) -> None:
        self._log = None if log is None else Log(log)
        self._reader, self._writer = os.pipe()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._tail = ""
        self._ended_at: float | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The end to print into."""
        return self._writer

    def finish(self) -> str:
        """Read what is left after the fork's end; returns the end of all that was printed.

        What the fork has left in the background may keep the pipe open, and is not waited for.
        """
        if self._ended_at is None:
            self._ended_at = time.monotonic()
            os.close(self._writer)
        self._thread.join(timeout=2 * _END_S)
        return self._tail.strip()

    def close(self) -> None:
        """Read what is left, and close the pipe."""
        self.finish()

    def _read(self) -> None:
        ready = select.poll()
        ready.register(self._reader, select.POLLIN)
        try:
            while self._ended_at is None or time.monotonic() < self._ended_at + _END_S:
                ended = self._ended_at is not None
                if ready.poll(_LOOK_MS):
                    chunk = os.read(self._reader, 1 << 18)
                    if not chunk:
                        return
                    self._take(self._decoder.decode(chunk))
                elif ended:
                    return
        finally:
            if self._log is not None:
                self._keep(self._log.close())
            os.close(self._reader)

    def _take(self, text: str) -> None:
        self._keep(mask(text) if self._log is None else self._log.write(text))

    def _keep(self, text: str) -> None:
        self._tail = (self._tail + text)[-_TAIL:]
