"""Keeps a command's output as bytes, and passes its lines on as they arrive."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: How many of the last lines an error may show.
_LAST_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a command ended; as in shells, its status is 128 and the signal's number after a signal.

    A status of -1 means that the shell has ended with the command, so that it is unknown.
    """

    exit_status: int
    stdout: str
    stderr: str
    stdout_bytes: bytes = b""
    stderr_bytes: bytes = b""


class Stream:
    """One stream of output; of more than ``keep_bytes`` the beginning is dropped."""

    def __init__(self, on_line: Callable[[str], None], keep_bytes: int | None) -> None:
        self._on_line = on_line
        self._keep = keep_bytes
        self._chunks: deque[bytes] = deque()
        self._size = self._dropped = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""

    def feed(self, chunk: bytes) -> None:
        """Take a chunk, and pass on the lines that it completes."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._keep is not None and self._size > self._keep and len(self._chunks) > 1:
            dropped = len(self._chunks.popleft())
            self._size -= dropped
            self._dropped += dropped
        self._split(self._decoder.decode(chunk))

    def finish(self) -> None:
        """Pass on the last line, which has no newline."""
        self._split(self._decoder.decode(b"", final=True))
        if self._line:
            self._line, line = "", self._line
            self._on_line(line)

    def content(self) -> bytes:
        """Return all that was kept."""
        kept = b"".join(self._chunks)
        return b"[%d bytes left out]\n%s" % (self._dropped, kept) if self._dropped else kept

    def _split(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._on_line(line.removesuffix("\r"))
        if len(self._line) > 1 << 16:  # no line is so long: hand it on in pieces
            self._line, line = "", self._line
            self._on_line(line)


class CommandOutput:
    """Both streams of one command."""

    def __init__(
        self, on_line: Callable[[str], None] | None = None, *, keep_bytes: int | None = None
    ) -> None:
        self._on_line = on_line
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self.stdout = Stream(self._take, keep_bytes)
        self.stderr = Stream(self._take, keep_bytes)

    def finish(self) -> str:
        """Hand on what is left; returns the last lines of both streams as they came."""
        self.stdout.finish()
        self.stderr.finish()
        return "\n".join(self._last)

    def completed(self, exit_status: int) -> Completed:
        """Make the command's result."""
        stdout, stderr = self.stdout.content(), self.stderr.content()
        return Completed(
            exit_status=exit_status,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            stdout_bytes=stdout,
            stderr_bytes=stderr,
        )

    def _take(self, line: str) -> None:
        self._last.append(line)
        if self._on_line is not None:
            self._on_line(line)
