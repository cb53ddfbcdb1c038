"""Many commands through one channel, in a fraction of the time that a channel for each takes.

The user's own shell is started once, and runs each command in a subshell of its own, so that none
sees what another has changed. Marks that nobody can guess tell where output ends.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import time

import paramiko

from infraci.ssh.output import Completed
from infraci.ssh.session import LOOK_S, Session, drain, shown_as

#: For any POSIX shell. Another one ends at once, and commands get channels of their own.
_LOOP = b'while IFS= read -r infraci; do eval "$infraci"; done'


class Shell:
    """Runs a session's commands one after the other; for one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channel: paramiko.Channel | None = None
        self.is_understood: bool | None = None  # None until the first command
        self._mark = secrets.token_hex(8)
        self._number = 0

    def run(self, command: bytes, *, timeout_s: float) -> Completed:
        """Run a command in the user's shell; raises what :meth:`infraci.ssh.Session.run` does.

        Only a signal that ends the command is told otherwise: as shells do, by 128 and its number.
        """
        if b"\n" in command or b"\0" in command or not self._is_there(timeout_s):
            return self._session.run(command, timeout_s=timeout_s, keep_bytes=None)
        return self._ask(command, timeout_s)

    def _is_there(self, timeout_s: float) -> bool:
        """Start the shell if need be; returns whether it understands."""
        channel = self._channel
        if channel is not None and not channel.closed and self._session.is_alive:
            return True
        if self.is_understood is not False:
            self._channel = self._session.open_channel(timeout_s)
            with self._session.telling(
                self._channel, "a shell", timeout_s=timeout_s, said=lambda: ""
            ):
                self._channel.exec_command(_LOOP)
            if self.is_understood is None:
                self.is_understood = self._ask(b"exit 42", timeout_s).exit_status == 42
        return bool(self.is_understood)

    def _ask(self, command: bytes, timeout_s: float) -> Completed:
        channel = self._channel
        if channel is None:
            raise AssertionError("the shell is there")
        self._number += 1
        end = f"{self._mark}.{self._number}."
        stdout, stderr = streams = _Stream(end.encode()), _Stream(end.encode())
        quoted = command.replace(b"'", b"'\\''")
        tail = f"') </dev/null; printf '{end}%s.' $?; printf '{end}' >&2\n"
        line = b"(eval '" + quoted + tail.encode()
        unasked = bytearray()  # what runs in the background may have spoken
        drain(channel, unasked.extend, unasked.extend)
        ends = time.monotonic() + timeout_s
        said = lambda: (stdout.data + stderr.data).decode(errors="replace")  # noqa: E731
        try:
            with self._session.telling(channel, shown_as(command), timeout_s=timeout_s, said=said):
                channel.settimeout(max(0.1, timeout_s))
                channel.sendall(line)
                self._follow(channel, streams, ends)
        except BaseException:
            self.close()
            raise
        return _completed(stdout, stderr)

    def _follow(
        self, channel: paramiko.Channel, streams: tuple[_Stream, _Stream], ends: float
    ) -> None:
        """Read until both streams have ended, or the shell has."""
        ready = select.poll()
        ready.register(channel.fileno(), select.POLLIN)
        heard = time.monotonic()
        stdout, stderr = streams
        while stdout.exit_status is None or not stderr.is_over:
            ready.poll(max(0.0, min(LOOK_S, ends - time.monotonic())) * 1000)
            over = channel.eof_received or channel.closed
            if drain(channel, stdout.feed, stderr.feed):
                heard = time.monotonic()
            elif over:
                if not self._session.transport.is_active():
                    raise EOFError
                self.close()  # the command has ended its shell
                return
            heard = self._session.judge(channel, heard, ends)

    def close(self) -> None:
        """End the shell; the next command has another."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(Exception):
                channel.close()


class _Stream:
    """What has come of stdout or stderr, and whether its mark has."""

    def __init__(self, mark: bytes) -> None:
        self.data = bytearray()
        self._mark = mark
        self._place = -1
        self._searched = 0

    def feed(self, piece: bytes) -> None:
        """Add what has come; each byte is searched for the mark once."""
        self.data += piece
        if not self.is_over:
            self._place = self.data.find(self._mark, self._searched)
            self._searched = max(0, len(self.data) - len(self._mark) + 1)

    @property
    def is_over(self) -> bool:
        """Whether the mark has come."""
        return self._place >= 0

    @property
    def output(self) -> bytes:
        """All before the mark."""
        return bytes(self.data[: self._place] if self.is_over else self.data)

    @property
    def exit_status(self) -> int | None:
        """What stdout has after the mark, with a dot behind it; None if it has not come."""
        if not self.is_over:
            return None
        status, dot, _ = self.data[self._place + len(self._mark) :].partition(b".")
        return int(status) if dot else None


def _completed(stdout: _Stream, stderr: _Stream) -> Completed:
    status, out, err = stdout.exit_status, stdout.output, stderr.output
    return Completed(
        exit_status=-1 if status is None else status,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
        stdout_bytes=out,
        stderr_bytes=err,
    )
