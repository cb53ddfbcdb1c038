"""The open sessions with a run's servers."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from infraci.errors import UnreachableError
from infraci.model.run import Server
from infraci.ssh.connection import close_jumps
from infraci.ssh.session import Session

_LOGIN_S = 20.0


class SessionPool:
    """One session a server, by the server's name. Threads share it."""

    def __init__(self, private_key: Path) -> None:
        self._private_key = private_key
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def add(self, server: Server, session: Session) -> None:
        """Take over a session, which is closed with the pool."""
        with self._lock:
            self._sessions[server.name] = session

    def has(self, server: Server) -> bool:
        """Whether there is a session with a server of that name that is alive."""
        with self._lock:
            session = self._sessions.get(server.name)
        return session is not None and session.is_alive

    def session(self, server: Server) -> Session:
        """The session with a server; logs in again where it is no longer alive."""
        with self._lock:
            session = self._sessions.get(server.name)
        if session is not None and session.is_alive:
            return session
        if not self._private_key.exists():
            raise UnreachableError(
                f"cannot log in to {server.name}: the run's key {self._private_key} is gone"
            )
        session = Session.open(server, private_key=self._private_key, timeout_s=_LOGIN_S)
        self.add(server, session)
        return session

    def drop(self, server: Server) -> None:
        """Close the session with a server that is gone, or no longer the same."""
        with self._lock:
            session = self._sessions.pop(server.name, None)
        if session is not None:
            with suppress(Exception):
                session.close()

    def close(self) -> None:
        """Close all sessions, and the connections to bastions."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            with suppress(Exception):
                session.close()
        close_jumps(self._private_key)
