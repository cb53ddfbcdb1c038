"""Copies what pytest prints in a fork to the log, masked."""

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

#: How many characters at the output's end are kept for a testcase.
_TAIL = 20_000
_LOOK_MS = 100
#: How long to read what is left in the pipe after the fork's end.
_END_S = 5.0


class Output(Closing):
    """A pipe for a fork's output, and a thread that appends it to a log, masked.

    The fork gets no file to write to: the specs know the environment's secrets, so their output
    must be masked.
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
        """The pipe's end to print into."""
        return self._writer

    def finish(self) -> str:
        """Read what is left after the fork's end; returns the last part of the output.

        Does not wait for background processes of the fork, which may keep the pipe open.
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
