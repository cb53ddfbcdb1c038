"""The one connection through which a server's specs look at it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from infraci.errors import UnreachableError
from infraci.model.run import Server
from infraci.ssh import Completed, Session

_FIRST_TRY_S = 10.0
_NEXT_TRY_S = 5.0


class Link:
    """Connects when it is first needed, and once more after a loss; then it stays broken."""

    def __init__(
        self,
        server: Server,
        private_key: Path,
        *,
        timeout_s: float,
        connect: Callable[..., Session] = Session.open,
    ) -> None:
        self.server = server
        self._private_key = private_key
        self._timeout_s = timeout_s  # for one command: the whole run ends no later
        self._connect = connect
        self._session: Session | None = None
        self._lost: UnreachableError | None = None
        self._broken: UnreachableError | None = None

    def check(self) -> Session:
        """Have a connection, or raise at once what broke the last one.

        Called before each check, so that a server that is gone costs one wait, not one a
        check.
        """
        if self._broken is not None:
            raise UnreachableError(
                f"not checked, since the server was lost: {self._broken.message}",
                hint=self._broken.hint,
            )
        if self._session is None:
            limit_s = _FIRST_TRY_S if self._lost is None else _NEXT_TRY_S
            try:
                self._session = self._connect(
                    self.server, private_key=self._private_key, timeout_s=limit_s
                )
            except UnreachableError as error:
                self._broken = error
                raise
        return self._session

    def run(self, command: bytes) -> Completed:
        """Run a command of a check."""
        if self._session is None and self._lost is not None:
            raise self._lost  # the same check goes on after the loss
        session = self.check()
        try:
            return session.run(command, timeout_s=self._timeout_s, keep_bytes=None)
        except UnreachableError as error:
            self._lost = error
            self._session = None
            session.close()
            raise

    def next_check(self) -> None:
        """Another check begins: a lost connection may be made anew."""
        if self._broken is None and self._session is None and self._lost is not None:
            self.check()
            self._lost = None

    def close(self) -> None:
        """End the connection."""
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.close()
