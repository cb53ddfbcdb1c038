"""A session with one server: commands with a limit of time, and files."""

from __future__ import annotations

import contextlib
import re
import select
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko

from infraci.deadline import duration
from infraci.errors import ConfigureError, PhaseTimeoutError
from infraci.model.run import Server
from infraci.ssh.connection import connect, unreachable
from infraci.ssh.output import Completed, Output

#: A process in the background may keep a command's output open; it is not waited for longer.
_LINGER_S = 0.5
#: Between looks at whether a command that says nothing has ended.
LOOK_S = 0.5
CHUNK = 1 << 15
_KEEP = 16 << 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: SSH_MSG_CHANNEL_REQUEST
_CHANNEL_REQUEST = b"\x62"


class CommandTimeoutError(PhaseTimeoutError):
    """A command took too long and was killed; ``output`` is what it had said."""

    def __init__(self, message: str, *, hint: str | None = None, output: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = output


class Session:
    """A persistent connection to a server. Threads may share it.

    After ``silence_s`` without a word from a command, the server is asked for a sign of life,
    for which it has ``answer_s``.
    """

    silence_s = 20.0
    answer_s = 15.0

    def __init__(self, server: Server, transport: paramiko.Transport, *, private_key: Path) -> None:
        self.server = server
        self.private_key = private_key
        self.transport = transport
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def open(cls, server: Server, *, private_key: Path, timeout_s: float) -> Self:
        """Connect and log in. Raises :class:`~infraci.errors.UnreachableError`."""
        transport = connect(server, private_key=private_key, timeout_s=timeout_s)
        return cls(server, transport, private_key=private_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether the connection stands, as far as this side can know."""
        return not self._closed and self.transport.is_active()

    def close(self) -> None:
        """End the session; a command that runs in another thread ends with an error."""
        self._closed = True
        with contextlib.suppress(Exception):
            self.transport.close()

    def run(
        self,
        command: str | bytes,
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        on_output: Callable[[str], None] | None = None,
        keep_bytes: int | None = _KEEP,
    ) -> Completed:
        """Run ``command`` in the user's shell; its exit status is for the caller to judge.

        ``environment`` shows in the server's process list: no place for secrets. ``on_output``
        gets each line of either stream as it comes, without its end. Of each stream the last
        ``keep_bytes`` are returned. Raises :class:`CommandTimeoutError` after killing what SSH
        lets us kill, and :class:`~infraci.errors.UnreachableError` when the connection is
        lost.
        """
        shown = shown_as(command)
        if environment:
            command = with_environment(command, environment)
        ends = time.monotonic() + timeout_s
        channel = self.open_channel(timeout_s)
        output = Output(on_output, keep_bytes=keep_bytes)
        try:
            with self.telling(channel, shown, timeout_s=timeout_s, said=output.finish):
                channel.settimeout(max(0.1, ends - time.monotonic()))
                channel.exec_command(command)
                status = self._follow(channel, output, stdin or b"", ends)
        finally:
            with contextlib.suppress(Exception):
                channel.close()
        output.finish()
        return output.completed(status)

    def put(self, content: bytes, path: str, mode: int = 0o600, *, timeout_s: float = 60) -> None:
        """Write a file in one step: it is there whole and with its mode, or not at all.

        Needs no more of the server than a shell. Raises
        :class:`~infraci.errors.ConfigureError` when the server cannot write it.
        """
        target = shlex.quote(path)
        command = (
            f't=$(umask 077; mktemp {target}.XXXXXX) && cat >"$t"'
            f' && [ "$(wc -c <"$t")" -eq {len(content)} ] && chmod {mode:o} "$t"'
            f' && mv -f "$t" {target} || {{ [ -z "$t" ] || rm -f "$t"; exit 1; }}'
        )
        completed = self.run(command, timeout_s=timeout_s, stdin=content)
        if completed.exit_status != 0:
            reason = (completed.stderr.strip().splitlines() or ["not all of it arrived"])[-1]
            raise ConfigureError(f"cannot write {path} on {self.server.name}: {reason}")

    @contextlib.contextmanager
    def telling(
        self,
        channel: paramiko.Channel,
        shown: str,
        *,
        timeout_s: float,
        said: Callable[[], str],
    ) -> Iterator[None]:
        """Make of what goes wrong with a command the errors of :meth:`run`.

        ``said`` tells what it has printed.
        """
        try:
            yield
        except TimeIsUpError:
            _kill(channel)
            raise CommandTimeoutError(
                f"cannot finish a command on {self.server.name}:"
                f" it was killed after {duration(timeout_s)}: {shown}",
                output=said(),
            ) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self.transport.is_active() and isinstance(error, TimeoutError):
                reason = "it no longer answers"
            else:
                reason = "the connection was lost"
            raise unreachable(self.server, f"{reason} in {shown}") from error

    def open_channel(self, timeout_s: float) -> paramiko.Channel:
        """Open a channel; a connection that died since the last command is made anew, once."""
        limit_s = max(0.1, min(timeout_s, self.answer_s))
        with self._lock:
            if self._closed:
                raise unreachable(self.server, "the session is closed")
            try:
                if self.transport.is_active():
                    return self.transport.open_session(timeout=limit_s)
            except (paramiko.SSHException, EOFError, OSError) as error:
                if self.transport.is_active():  # it stands, so nobody reads at the other end
                    raise unreachable(self.server, f"no answer in {limit_s:.3g} s") from error
            self.transport.close()
            self.transport = connect(self.server, private_key=self.private_key, timeout_s=limit_s)
            try:
                return self.transport.open_session(timeout=limit_s)
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise unreachable(self.server, "the connection was lost") from error

    def _follow(self, channel: paramiko.Channel, output: Output, stdin: bytes, ends: float) -> int:
        """Feed and read the command until it has ended; returns its exit status."""
        stdin = self._feed(channel, output, stdin, ends)
        channel.shutdown_write()
        ready = select.poll()
        ready.register(channel.fileno(), select.POLLIN)
        heard = time.monotonic()
        while not channel.eof_received and not channel.closed:
            exited = channel.exit_status_ready()
            wait_s = _LINGER_S if exited else min(LOOK_S, ends - time.monotonic())
            ready.poll(max(0.0, wait_s) * 1000)
            if drain(channel, output.stdout.feed, output.stderr.feed):
                heard = time.monotonic()
            elif exited and not channel.eof_received:
                break
            heard = self.judge(channel, heard, ends)
        drain(channel, output.stdout.feed, output.stderr.feed)
        while not channel.status_event.wait(max(0.0, min(LOOK_S, ends - time.monotonic()))):
            heard = self.judge(channel, heard, ends)
        if not self.transport.is_active() and channel.exit_status < 0:
            raise EOFError
        return channel.exit_status

    def _feed(self, channel: paramiko.Channel, output: Output, stdin: bytes, ends: float) -> bytes:
        """Send ``stdin`` while reading, so that neither side waits for the other for ever."""
        channel.settimeout(0.1)
        while stdin and not channel.closed:
            try:
                stdin = stdin[channel.send(stdin[:CHUNK]) :]
            except TimeoutError:
                self.judge(channel, time.monotonic(), ends)
            except OSError:
                if channel.closed and self.transport.is_active():
                    break  # the command ended without reading it all
                raise
            drain(channel, output.stdout.feed, output.stderr.feed)
        return stdin

    def judge(self, channel: paramiko.Channel, heard: float, ends: float) -> float:
        """Raise when the time is up, or when a silent server gives no sign of life.

        Returns when it gave the last.
        """
        now = time.monotonic()
        if now >= ends:
            raise TimeIsUpError
        if not self.transport.is_active():
            raise EOFError
        if now - heard >= self.silence_s and not channel.closed:
            self._probe(min(self.answer_s, ends - now))
            return time.monotonic()
        return heard

    def _probe(self, timeout_s: float) -> None:
        """Ask for a channel: whether it is granted or not, an answer is a sign of life."""
        try:
            self.transport.open_session(timeout=timeout_s).close()
        except paramiko.ChannelException:
            pass
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise TimeoutError from error


class TimeIsUpError(Exception):
    """A command has taken too long."""


def with_environment(command: str | bytes, environment: Mapping[str, str]) -> str:
    """Prefix ``command`` with ``env``: sshd refuses variables that its operator did not list."""
    for name in environment:
        if not _NAME.match(name):
            raise ConfigureError(f"cannot set the variable {name!r}: not a name a shell knows")
    pairs = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    text = command if isinstance(command, str) else command.decode()
    return f"env {pairs} /bin/sh -c {shlex.quote(text)}"


def drain(
    channel: paramiko.Channel, stdout: Callable[[bytes], object], stderr: Callable[[bytes], object]
) -> bool:
    """Hand on what has come in; returns whether there was anything."""
    any_read = False
    while channel.recv_ready():
        stdout(channel.recv(CHUNK))
        any_read = True
    while channel.recv_stderr_ready():
        stderr(channel.recv_stderr(CHUNK))
        any_read = True
    return any_read


def _kill(channel: paramiko.Channel) -> None:
    """Ask the server to kill the command's process group (RFC 4254, 6.9)."""
    message = paramiko.Message()
    message.add_byte(_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)
    message.add_string("KILL")
    with contextlib.suppress(Exception):
        channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


def shown_as(command: str | bytes) -> str:
    """A command in a line, as messages have it."""
    text = command if isinstance(command, str) else command.decode(errors="replace")
    first = " ".join(text.split())
    return first if len(first) <= 80 else first[:79] + "…"
