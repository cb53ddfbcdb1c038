"""The SSH connection through which all specs of a process look at one server."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from infraci.diagnosis.reason import is_aside
from infraci.diagnosis.sudo import Refusal, find_refusal, remarks_of
from infraci.errors import UnreachableError
from infraci.model.run import Server
from infraci.ssh import Completed, Session, Shell

_FIRST_TRY_S = 30.0  # a busy guest takes long for the handshake
_NEXT_TRY_S = 10.0
#: How much of a command's output is searched for sudo's messages.
_SEARCHED = 1 << 16


class ServerConnection:
    """Connects once, and again after each loss; stays broken when that fails."""

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
        self._opening: Future[Session] | None = None
        self._session: Session | None = None
        self._shell: Shell | None = None  # of that session
        self._lost: UnreachableError | None = None
        self._broken: UnreachableError | None = None
        #: Why sudo has refused a command of this check's own.
        self.refusal: Refusal | None = None
        self._remarks: dict[str, bool] = {}  # sudo's on this server, and whether they are taken

    def open(self) -> None:
        """Begin to connect in a thread, unless that was done before."""
        if self._opening is not None or self._session is not None:
            return
        opening: Future[Session] = Future()

        def connect() -> None:
            try:
                opening.set_result(self._connected(_FIRST_TRY_S))
            except BaseException as error:  # ``session`` raises it
                opening.set_exception(error)

        self._opening = opening
        Thread(target=connect, daemon=True).start()

    def begin_check(self) -> None:
        """Connect for a new check if need be, or raise at once if the server is lost.

        So a lost server costs one timeout, not one for each check.
        """
        self.refusal = None
        if self._broken is not None:
            raise UnreachableError(
                f"not checked, since the server was lost: {self._broken.message}",
                hint=self._broken.hint,
            )
        lost, self._lost = self._lost, None
        try:
            self.session(_FIRST_TRY_S if lost is None else _NEXT_TRY_S)
        except UnreachableError as error:
            self._broken = error
            raise

    def session(self, timeout_s: float = _FIRST_TRY_S) -> Session:
        """The session, opened if need be; one that this check has lost stays lost."""
        if self._lost is not None:
            raise self._lost
        if self._session is None:
            if self._opening is not None:
                opening, self._opening = self._opening, None
                self._session = opening.result()
            else:
                self._session = self._connected(timeout_s)
        return self._session

    def run(self, command: bytes) -> Completed:
        """Run a command of a check."""
        session = self.session()
        try:
            if self._shell is None:
                self._shell = Shell(session)
            return self._shell.run(command, timeout_s=self._timeout_s)
        except UnreachableError as error:
            self._lost, self._session, self._shell = error, None, None
            session.close()
            raise

    def note_sudo(self, besides: bytes, printed: bytes, *, has_failed: bool) -> None:
        """Note what sudo has printed before a command's output, and within it."""
        own = printed[:_SEARCHED].decode(errors="replace")
        asides = [line for line in own.splitlines() if is_aside(line)]
        text = "\n".join([besides[:_SEARCHED].decode(errors="replace"), *asides])
        for remark in remarks_of(text, self.server.name):
            self._remarks.setdefault(remark, False)
        if has_failed and self.refusal is None:
            self.refusal = find_refusal(own, self.server.user)

    def take_remarks(self) -> list[str]:
        """The new remarks of sudo on this server, each only once."""
        new = [remark for remark, is_taken in self._remarks.items() if not is_taken]
        self._remarks.update(dict.fromkeys(new, True))
        return new

    def close(self) -> None:
        """End the connection."""
        if self._opening is not None:  # no check has used it
            self._opening.add_done_callback(_close_opened)
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.close()

    def _connected(self, timeout_s: float) -> Session:
        return self._connect(self.server, private_key=self._private_key, timeout_s=timeout_s)


def _close_opened(opening: Future[Session]) -> None:
    if opening.exception() is None:
        opening.result().close()
