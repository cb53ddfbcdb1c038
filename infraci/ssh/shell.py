"""Runs many commands through one channel, much faster than with a channel for each.

A shell is started once, and runs each command in a subshell of its own, so that no command
sees what another has changed.
"""

from __future__ import annotations

import select
import time

import paramiko

from infraci.ssh.command_output import Completed
from infraci.ssh.command_script import CommandStreams, Marks, line, loop
from infraci.ssh.session import LOOK_S, Session, drain, shown_as


class Shell:
    """Runs a session's commands one after the other; for one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channel: paramiko.Channel | None = None

    def run(self, command: bytes, *, timeout_s: float) -> Completed:
        """Run a command in the shell; raises what :meth:`infraci.ssh.Session.run` does."""
        ends = time.monotonic() + timeout_s
        channel = self._ready(timeout_s, ends)
        stdout, stderr = bytearray(), bytearray()
        marks = Marks()
        streams = CommandStreams(marks, stdout.extend, stderr.extend)

        def output_so_far() -> str:
            streams.finish()
            return (stdout + stderr).decode(errors="replace")

        try:
            with self._session.translating_errors(
                channel, shown_as(command), timeout_s=timeout_s, output=output_so_far
            ):
                channel.settimeout(max(0.1, timeout_s))
                channel.sendall(line(command.partition(b"\0")[0], marks))
                self._follow(channel, streams, ends)
        except BaseException:
            self.close()
            raise
        streams.finish()
        return Completed(
            exit_status=-1 if streams.exit_status is None else streams.exit_status,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            stdout_bytes=bytes(stdout),
            stderr_bytes=bytes(stderr),
        )

    def _ready(self, timeout_s: float, ends: float) -> paramiko.Channel:
        """The shell's channel; it is started if need be."""
        channel = self._channel
        if channel is not None and not channel.closed and self._session.is_alive:
            return channel
        self.close()
        self._channel = channel = self._session.open_channel(timeout_s)
        marks = Marks()
        streams = CommandStreams(marks, bytearray().extend, bytearray().extend)
        try:
            with self._session.translating_errors(
                channel, "a shell", timeout_s=timeout_s, output=lambda: streams.noise
            ):
                channel.settimeout(max(0.1, timeout_s))
                self._session.begin(channel, loop(marks), timeout_s)
                self._follow(channel, streams, ends, only_begin=True)
            self._session.check_shell(streams)
        except BaseException:
            self.close()
            raise
        return channel

    def _follow(
        self,
        channel: paramiko.Channel,
        streams: CommandStreams,
        ends: float,
        *,
        only_begin: bool = False,
    ) -> None:
        """Read until the command has ended, or begun, or the shell has ended."""
        ready = select.poll()
        ready.register(channel.fileno(), select.POLLIN)
        last_sign = time.monotonic()
        while not (streams.is_begun if only_begin else streams.is_over):
            ready.poll(max(0.0, min(LOOK_S, ends - time.monotonic())) * 1000)
            over = channel.eof_received or channel.closed
            if drain(channel, streams):
                last_sign = time.monotonic()
            elif over:
                if not channel.get_transport().is_active():
                    raise EOFError
                self.close()  # the command has ended its shell
                return
            last_sign = self._session.check_progress(channel, last_sign, ends)

    def close(self) -> None:
        """End the shell; the next command has another."""
        channel, self._channel = self._channel, None
        if channel is not None:
            self._session.close_channel(channel)
