"""Runs a command on a server with this process's own input and output, as ssh does."""

from __future__ import annotations

import math
import os
import select
import time
from typing import BinaryIO

import paramiko

from infraci.ssh.command_script import CommandStreams, Marks, once
from infraci.ssh.session import CHUNK, LOOK_S, Session, drain, shown_as

#: For the server to begin with the command.
_BEGIN_S = 120.0
#: Between looks at whether a command that reads slowly takes more input.
_FULL_S = 0.02


def attach(
    session: Session, command: str, *, stdin: BinaryIO | None, stdout: BinaryIO, stderr: BinaryIO
) -> int:
    """Run a command for as long as it takes; returns its exit status.

    Raises what :meth:`infraci.ssh.Session.run` does, but for the limit of time, and OSError where
    its output cannot be written.
    """
    marks, out, err = Marks(), _Sink(stdout), _Sink(stderr)
    streams = CommandStreams(marks, out.write, err.write)
    with session.channel(_BEGIN_S) as channel:
        with session.translating_errors(
            channel, shown_as(command), timeout_s=_BEGIN_S, output=lambda: ""
        ):
            channel.settimeout(_BEGIN_S)
            session.begin(channel, once(os.fsencode(command), marks), _BEGIN_S)
            pump = _Pump(session, channel, streams, stdin)
            while not (pump.is_over or out.error or err.error):
                pump.turn()
        drain(channel, streams)  # what came with the command's end
        if error := out.error or err.error:
            raise error
        session.check_shell(streams)
        streams.finish()
        return channel.exit_status if streams.exit_status is None else streams.exit_status


class _Sink:
    """An output of this process, and why nothing can be written to it any more."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
            self._file.flush()
        except OSError as error:
            self.error = error


class _Pump:
    """Copies between this process and a channel, in both directions."""

    def __init__(
        self,
        session: Session,
        channel: paramiko.Channel,
        streams: CommandStreams,
        stdin: BinaryIO | None,
    ) -> None:
        self._session = session
        self._channel = channel
        self._streams = streams
        self._input = None if stdin is None else stdin.fileno()
        self._unsent = b""
        self._last_sign = time.monotonic()
        if self._input is None:
            channel.shutdown_write()

    @property
    def is_over(self) -> bool:
        """Whether the command has ended, and all that it printed has come."""
        channel = self._channel
        if self._streams.is_over or channel.closed:
            return True
        return bool(channel.eof_received) and channel.exit_status_ready()

    def turn(self) -> None:
        """Wait for either side, and pass on what has arrived."""
        watched: list[int] = [self._channel.fileno()]
        if self._input is not None and not self._unsent:
            watched.append(self._input)
        wait_s = _FULL_S if self._unsent else LOOK_S
        ready, _, _ = select.select(watched, [], [], wait_s)
        if self._input is not None and self._input in ready:
            self._unsent = os.read(self._input, CHUNK)
            if not self._unsent:
                self._input = None
                self._channel.shutdown_write()
        if self._unsent and self._channel.send_ready():
            self._send()
        if drain(self._channel, self._streams):
            self._last_sign = time.monotonic()
        self._last_sign = self._session.check_progress(self._channel, self._last_sign, math.inf)

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._channel.send(self._unsent) :]
        except OSError:
            if not self._channel.get_transport().is_active():
                raise
            self._input, self._unsent = None, b""  # the command ended without reading it all
