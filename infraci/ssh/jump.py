"""Connections to bastions: one to each, shared by all connections through it."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Protocol

import paramiko

from infraci.model.run import Bastion


class Connect(Protocol):
    """See :func:`infraci.ssh.connection.connect`."""

    def __call__(  # noqa: D102
        self, peer: Bastion, *, private_key: Path, timeout_s: float, busy_s: float
    ) -> paramiko.Transport: ...


class _Jump:
    """A connection to a bastion, or none yet."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.transport: paramiko.Transport | None = None


class Jumps:
    """A process's connections to bastions. Threads may share it.

    A lost connection is made anew when it is needed next.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._jumps: dict[tuple[Bastion, Path], _Jump] = {}

    def channel(
        self,
        bastion: Bastion,
        address: str,
        port: int,
        *,
        private_key: Path,
        timeout_s: float,
        open_s: float,
    ) -> paramiko.Channel:
        """A connection that the bastion opens to ``address`` (RFC 4254, 7.2) in ``open_s``.

        Neither an agent nor a key is forwarded to it. Raises what ``connect`` raises,
        TimeoutError, and paramiko's SSHException where the bastion does not open it.
        """
        ends = time.monotonic() + timeout_s
        with self._lock:
            jump = self._jumps.setdefault((bastion, private_key), _Jump())
        if not jump.lock.acquire(timeout=timeout_s):
            raise TimeoutError  # another thread still tries to connect
        try:
            if jump.transport is None or not jump.transport.is_active():
                left_s = max(0.1, ends - time.monotonic())
                jump.transport = self._connect(
                    bastion, private_key=private_key, timeout_s=left_s, busy_s=left_s
                )
            transport = jump.transport
        finally:
            jump.lock.release()
        left_s = max(0.1, min(open_s, ends - time.monotonic()))
        origin = ("127.0.0.1", 0)  # for its log only
        return transport.open_channel("direct-tcpip", (address, port), origin, timeout=left_s)

    def close(self, private_key: Path) -> None:
        """Close the connections that were made for the run with this key."""
        with self._lock:
            ours = [key for key in self._jumps if key[1] == private_key]
            jumps = [self._jumps.pop(key) for key in ours]
        for jump in jumps:
            if jump.transport is not None:
                with contextlib.suppress(Exception):
                    jump.transport.close()
