"""Sockets at which servers ask this machine for what they have no right to do: to mount a volume.

Each server has a folder of this machine's, with a Unix socket in it. So the machine knows which
server asks, whatever the server's network; and root alone may ask. One request of a server is
answered after the other: a line of JSON each, as is its answer.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from infraci.base.json_reader import read_json

LOG = logging.getLogger(__name__)

#: Where a server has the folder: the place of what its container's manager shows it.
FOLDER_INSIDE = "/run/host/infraci"
_NAME = "socket"
_LONGEST = 64 << 10
#: A server that does not ask, or listen, within this time is not answered.
_PATIENCE_S = 10.0
_PEER = struct.Struct("3i")  # process, user and group

#: Answers a server, by its id and what it asks.
Answer = Callable[[str, object], Mapping[str, str]]


class ServerSockets:
    """The sockets of a cloud's servers. Safe to use from several threads."""

    def __init__(self) -> None:
        #: What answers the servers.
        self.answer: Answer = lambda _server_id, _request: {"error": "nothing answers here"}
        self._open: dict[str, socket.socket] = {}
        self._lock = threading.Lock()

    def open(self, server_id: str, folder: Path) -> None:
        """Listen in a server's folder, unless that is so; replaces an earlier process's socket."""
        with self._lock:
            if server_id in self._open:
                return
            listener = socket.socket(socket.AF_UNIX)
            _bind(listener, folder)
            listener.listen(16)
            self._open[server_id] = listener
        thread = threading.Thread(
            target=self._serve, args=(server_id, listener), name=f"asks-{server_id}", daemon=True
        )
        thread.start()

    def close(self, server_id: str) -> None:
        """Listen to a server no more."""
        with self._lock:
            listener = self._open.pop(server_id, None)
        if listener:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # which ends accept()
            listener.close()

    def _serve(self, server_id: str, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with connection, suppress(OSError):
                connection.settimeout(_PATIENCE_S)
                answer = self._answer(server_id, connection)
                connection.sendall(json.dumps(dict(answer)).encode() + b"\n")

    def _answer(self, server_id: str, connection: socket.socket) -> Mapping[str, str]:
        _, user, _ = _PEER.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        line = _line(connection)  # also of a user who is refused, and who would miss the answer
        if user != 0:
            return {"error": "must be superuser"}
        try:
            request = read_json(line)
        except ValueError as error:
            return {"error": str(error)}
        try:
            return self.answer(server_id, request)
        except Exception:
            LOG.exception("cannot answer server %s", server_id)
            return {"error": "the embedded cloud failed, see its log"}


def _bind(listener: socket.socket, folder: Path) -> None:
    """Bind a socket in a folder whose path may be too long for a socket's address."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(_NAME, dir_fd=held)
        listener.bind(f"/proc/self/fd/{held}/{_NAME}")
        os.chmod(_NAME, 0o600, dir_fd=held)
    finally:
        os.close(held)


def _line(connection: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        piece = connection.recv(_LONGEST)
        text += piece
        if not piece or len(text) > _LONGEST:
            break
    return text
