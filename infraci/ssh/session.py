"""A session with one server: runs commands within a limit of time, and writes files."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import paramiko

from infraci.base.closing import Closing
from infraci.base.deadline import duration, waits
from infraci.base.lines import last_line
from infraci.errors import ConfigureError, PhaseTimeoutError
from infraci.model.run import Server
from infraci.ssh.command_output import CommandOutput, Completed
from infraci.ssh.command_script import CommandStreams, Marks, once
from infraci.ssh.connection import BUSY_S, LoginRefusedError, connect, unreachable

#: The longest wait for output that a process in the background keeps open.
_LINGER_S = 0.5
#: A refused channel is tried again for so long: sshd may be slow to notice that another ended.
_REFUSED_S = 1.0
#: Between looks at whether a command that says nothing has ended.
LOOK_S = 0.5
CHUNK = 1 << 15
#: How the library says that a channel was neither granted nor refused.
_TIMEOUT = "Timeout opening channel"
_KEEP = 16 << 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: SSH_MSG_CHANNEL_REQUEST
_CHANNEL_REQUEST = b"\x62"


class CommandTimeoutError(PhaseTimeoutError):
    """A command took too long and was killed; ``details`` is what it printed until then."""


class Session(Closing):
    """A persistent connection to a server. Threads may share it.

    If a command prints nothing for ``silence_s``, the session asks the server for an answer and
    waits for it for ``answer_s``. If the server grants no second channel (MaxSessions), the session
    logs in once more.
    """

    silence_s = 20.0
    answer_s = 15.0

    def __init__(self, server: Server, transport: paramiko.Transport, *, private_key: Path) -> None:
        self.server = server
        self.private_key = private_key
        self.transport = transport
        self._lock = threading.Lock()
        self._open: set[paramiko.Channel] = set()
        self._closed = False

    @classmethod
    def open(
        cls, server: Server, *, private_key: Path, timeout_s: float, busy_s: float = BUSY_S
    ) -> Self:
        """Connect and log in, as :func:`~infraci.ssh.connection.connect` does."""
        transport = connect(server, private_key=private_key, timeout_s=timeout_s, busy_s=busy_s)
        return cls(server, transport, private_key=private_key)

    @property
    def is_alive(self) -> bool:
        """Whether the connection stands, as far as this side can know."""
        return not self._closed and self.transport.is_active()

    def close(self) -> None:
        """End the session; a command that runs in another thread ends with an error."""
        self._closed = True
        for transport in {self.transport, *(channel.get_transport() for channel in {*self._open})}:
            with contextlib.suppress(Exception):
                transport.close()

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
        """Run ``command`` in bash or ``/bin/sh``; returns its result, whatever its exit status.

        See :mod:`infraci.ssh.command_script` for the part of the user's login shell.
        ``command`` and ``environment`` show in the server's process list: no place for secrets.
        ``on_output`` gets each line of either stream as it comes, without its end. Of each stream
        the last ``keep_bytes`` are returned. Raises :class:`CommandTimeoutError` after killing what
        SSH lets us kill, :class:`~infraci.ssh.connection.LoginRefusedError` where the login shell
        runs no other, and :class:`~infraci.errors.UnreachableError` when the connection is lost.
        """
        shown = shown_as(command)
        if environment:
            command = with_environment(command, environment)
        ends = time.monotonic() + timeout_s
        output = CommandOutput(on_output, keep_bytes=keep_bytes)
        marks = Marks()
        streams = CommandStreams(marks, output.stdout.feed, output.stderr.feed)

        def output_so_far() -> str:
            streams.finish()
            return output.finish()

        with self.channel(timeout_s) as channel:
            with self.translating_errors(channel, shown, timeout_s=timeout_s, output=output_so_far):
                channel.settimeout(max(0.1, ends - time.monotonic()))
                self.begin(channel, once(os.fsencode(command), marks), ends - time.monotonic())
                status = self._follow(channel, streams, stdin or b"", ends)
            self.check_shell(streams)
        output_so_far()
        return output.completed(status)

    def check_shell(self, streams: CommandStreams) -> None:
        """Raise LoginRefusedError for a command that has ended without having been begun."""
        if not streams.is_begun:
            streams.finish()
            server = self.server
            reason = streams.noise or f"the login shell of {server.user} runs no /bin/sh"
            raise LoginRefusedError(
                f"cannot run a command on {server.name}: {reason}",
                hint=f"has {server.user} a login shell that runs commands, and no ForceCommand?",
            )

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
            reason = last_line(completed.stderr, "not all of it arrived")
            raise ConfigureError(f"cannot write {path} on {self.server.name}: {reason}")

    @contextlib.contextmanager
    def translating_errors(
        self,
        channel: paramiko.Channel,
        shown: str,
        *,
        timeout_s: float,
        output: Callable[[], str],
    ) -> Iterator[None]:
        """Translate what goes wrong with a command into the errors of :meth:`run`.

        ``output`` returns what the command has printed so far.
        """
        try:
            yield
        except TimeIsUpError:
            _kill(channel)
            raise CommandTimeoutError(
                f"cannot finish a command on {self.server.name}:"
                f" it was killed after {duration(timeout_s)}: {shown}",
                details=output(),
            ) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            if channel.get_transport().is_active() and isinstance(error, TimeoutError):
                reason = "it no longer answers"
            else:
                reason = "the connection was lost"
            raise unreachable(self.server, f"{reason} in {shown}") from error

    @contextlib.contextmanager
    def channel(self, timeout_s: float) -> Iterator[paramiko.Channel]:
        """A channel of :meth:`open_channel`'s, closed in the end."""
        channel = self.open_channel(timeout_s)
        try:
            yield channel
        finally:
            self.close_channel(channel)

    def open_channel(self, timeout_s: float) -> paramiko.Channel:
        """Open a channel; a connection that died since the last command is made anew, once.

        If the server refuses one more on this connection, a new connection is made for it, which
        is closed with it. Raises :class:`~infraci.errors.UnreachableError`.
        """
        limit_s = max(0.1, min(timeout_s, self.answer_s))
        with self._lock:
            if self._closed:
                raise unreachable(self.server, "the session is closed")
            channel = self._open_here(limit_s, timeout_s)
        if channel is None:
            channel = self._open_elsewhere(limit_s, timeout_s)
        self._open.add(channel)
        if self._closed:  # meanwhile
            self.close_channel(channel)
            raise unreachable(self.server, "the session is closed")
        return channel

    def close_channel(self, channel: paramiko.Channel) -> None:
        """Close a channel, and its connection if that is not the session's own."""
        self._open.discard(channel)
        transport = channel.get_transport()
        with contextlib.suppress(Exception):
            channel.close()
        if transport is not self.transport:
            with contextlib.suppress(Exception):
                transport.close()

    def _open_here(self, limit_s: float, timeout_s: float) -> paramiko.Channel | None:
        """Open a channel on the session's own connection; None if the server refuses it."""
        try:
            if self.transport.is_active():
                return self._ask_for_channel(limit_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if self.transport.is_active() and _TIMEOUT in str(error):
                raise unreachable(self.server, f"no answer in {limit_s:.3g} s") from error
        self.transport.close()
        self.transport = self._connect(limit_s, timeout_s)
        try:
            return self._ask_for_channel(limit_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise unreachable(self.server, "the connection was lost") from error

    def _ask_for_channel(self, limit_s: float) -> paramiko.Channel | None:
        """Ask for a channel; for a while again unless an open one of the session's may block it."""
        ends = time.monotonic() + min(limit_s, _REFUSED_S)
        for wait_s in waits(0.02, 0.2):
            with contextlib.suppress(paramiko.ChannelException):
                return self.transport.open_session(timeout=limit_s)
            if self._open or time.monotonic() + wait_s > ends:
                return None
            time.sleep(wait_s)
        raise AssertionError("the waits never end")

    def _open_elsewhere(self, limit_s: float, timeout_s: float) -> paramiko.Channel:
        """Open a channel on a connection of its own."""
        transport = self._connect(limit_s, timeout_s)
        try:
            return transport.open_session(timeout=limit_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            reason = "the connection was lost"
            if isinstance(error, paramiko.ChannelException):
                reason = "its SSH server lets a login run nothing (MaxSessions 0?)"
            raise unreachable(self.server, reason) from error

    def _connect(self, limit_s: float, timeout_s: float) -> paramiko.Transport:
        return connect(
            self.server,
            private_key=self.private_key,
            timeout_s=limit_s,
            busy_s=min(BUSY_S, timeout_s),
        )

    def begin(self, channel: paramiko.Channel, command: bytes, timeout_s: float) -> None:
        """Have the server begin a command (RFC 4254, 6.5); raises TimeoutError without an answer.

        paramiko's own ``exec_command`` waits for the answer without limit.
        """
        request = paramiko.Message()
        request.add_byte(_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)
        request.add_string(command)
        channel._event_pending()  # type: ignore[attr-defined]
        channel.get_transport()._send_user_message(request)  # type: ignore[attr-defined]
        if not channel.event.wait(max(0.1, min(timeout_s, self.answer_s))):
            raise TimeoutError
        channel._wait_for_event()  # type: ignore[attr-defined] # the answer is there: take it

    def _follow(
        self, channel: paramiko.Channel, streams: CommandStreams, stdin: bytes, ends: float
    ) -> int:
        """Feed and read the command until it has ended; returns its exit status."""
        self._feed(channel, streams, stdin, ends)
        channel.shutdown_write()
        ready = select.poll()
        ready.register(channel.fileno(), select.POLLIN)
        last_sign = time.monotonic()
        while not (streams.is_over or channel.eof_received or channel.closed):
            exited = channel.exit_status_ready()
            wait_s = _LINGER_S if exited else min(LOOK_S, ends - time.monotonic())
            ready.poll(max(0.0, wait_s) * 1000)
            if drain(channel, streams):
                last_sign = time.monotonic()
            elif exited and not channel.eof_received:
                break
            last_sign = self.check_progress(channel, last_sign, ends)
        drain(channel, streams)
        if streams.exit_status is not None:
            channel.status_event.wait(_LINGER_S)  # until sshd has room for the next channel
            return streams.exit_status
        while not channel.status_event.wait(max(0.0, min(LOOK_S, ends - time.monotonic()))):
            last_sign = self.check_progress(channel, last_sign, ends)
        if not channel.get_transport().is_active() and channel.exit_status < 0:
            raise EOFError
        return channel.exit_status

    def _feed(
        self, channel: paramiko.Channel, streams: CommandStreams, stdin: bytes, ends: float
    ) -> None:
        """Send ``stdin`` while reading, so that neither side waits for the other for ever."""
        channel.settimeout(0.1)
        while stdin and not channel.closed:
            try:
                stdin = stdin[channel.send(stdin[:CHUNK]) :]
            except TimeoutError:
                self.check_progress(channel, time.monotonic(), ends)
            except OSError:
                if channel.closed and channel.get_transport().is_active():
                    break  # the command ended without reading it all
                raise
            drain(channel, streams)

    def check_progress(self, channel: paramiko.Channel, last_sign: float, ends: float) -> float:
        """Raise when the time is up, or when a silent server does not answer.

        Returns the time of the server's last sign of life.
        """
        now = time.monotonic()
        if now >= ends:
            raise TimeIsUpError
        transport = channel.get_transport()
        if not transport.is_active():
            raise EOFError
        if now - last_sign >= self.silence_s and not channel.closed:
            self._probe(transport, min(self.answer_s, ends - now))
            return time.monotonic()
        return last_sign

    def _probe(self, transport: paramiko.Transport, timeout_s: float) -> None:
        """Ask for a channel: granted or not, an answer is a sign of life."""
        try:
            transport.open_session(timeout=timeout_s).close()
        except paramiko.ChannelException:
            pass
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise TimeoutError from error


class TimeIsUpError(Exception):
    """A command has taken too long."""


def with_environment(command: str | bytes, environment: Mapping[str, str]) -> bytes:
    """Put variables before ``command``: sshd accepts only those that its operator lists."""
    for name in environment:
        if not _NAME.match(name):
            raise ConfigureError(f"cannot set the variable {name!r}: not a name a shell knows")
    pairs = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return os.fsencode(f"export {pairs}; ") + os.fsencode(command)


def drain(channel: paramiko.Channel, streams: CommandStreams) -> bool:
    """Pass on what has arrived; returns whether there was anything."""
    any_read = False
    while channel.recv_ready():
        streams.feed_stdout(channel.recv(CHUNK))
        any_read = True
    while channel.recv_stderr_ready():
        streams.feed_stderr(channel.recv_stderr(CHUNK))
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
