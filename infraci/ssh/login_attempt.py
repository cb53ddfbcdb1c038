"""Tries once to log in to a server, which may still be booting."""

from __future__ import annotations

from pathlib import Path

from infraci.errors import PhaseTimeoutError, UnreachableError
from infraci.model.run import Server
from infraci.ssh.boot_id import check_boot
from infraci.ssh.session import Session


def log_in(server: Server, *, private_key: Path, timeout_s: float) -> Session:
    """Log in and run a command; an open port is no proof of either. Returns the open session.

    The caller tries again if the server drops the connection or is about to reboot.
    Raises :class:`~infraci.errors.UnreachableError`.
    """
    session = Session.open(server, private_key=private_key, timeout_s=timeout_s, busy_s=0)
    try:
        check_boot(session)
    except PhaseTimeoutError as error:
        session.close()
        raise UnreachableError(error.message) from error
    except BaseException:
        session.close()
        raise
    return session
