"""Waiting until a server that boots can be logged in to."""

from __future__ import annotations

from pathlib import Path

from infraci.deadline import Deadline
from infraci.errors import PhaseTimeoutError, UnreachableError
from infraci.model.run import Server
from infraci.ssh.connection import HostKeyError
from infraci.ssh.session import Session

#: One try takes no longer than this, for a port that swallows packets while the guest boots.
_TRY_S = 10.0


def wait_for_login(server: Server, *, private_key: Path, deadline: Deadline) -> Session:
    """Log in and run a command; an open port is no proof of either. Returns the open session.

    Whatever a booting guest does (refuse, hang, drop, not know the user yet) is waited for
    until the deadline; then :class:`~infraci.errors.UnreachableError` says what was seen
    last. A wrong host key is raised at once: no waiting makes it right.
    """
    trouble: UnreachableError | None = None
    what = f"a login to {server.name}"
    try:
        for _ in deadline.poll(what, first_s=0.05, ceiling_s=1.0):
            try:
                return _try(server, private_key, max(0.1, deadline.within(_TRY_S)))
            except HostKeyError:
                raise
            except UnreachableError as error:
                trouble = error
    except PhaseTimeoutError as error:
        if trouble is None:
            raise
        message = f"{trouble.message} (for {deadline.seconds:.3g} s)"
        raise type(trouble)(message, hint=trouble.hint or error.hint) from trouble
    raise AssertionError("poll() ends only by an exception")


def _try(server: Server, private_key: Path, timeout_s: float) -> Session:
    session = Session.open(server, private_key=private_key, timeout_s=timeout_s)
    try:
        completed = session.run("true", timeout_s=timeout_s)
        if completed.exit_status != 0:
            said = (completed.stderr or completed.stdout).strip().splitlines()
            raise UnreachableError(
                f"cannot run a command on {server.name}: exit status {completed.exit_status}"
                + (f", {said[-1]}" if said else "")
            )
    except PhaseTimeoutError as error:
        session.close()
        raise UnreachableError(error.message) from error
    except BaseException:
        session.close()
        raise
    return session
