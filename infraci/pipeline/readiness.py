"""Waiting until each server of a stack can be logged in to, its host keys known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from infraci.deadline import Deadline
from infraci.errors import PhaseTimeoutError, UnreachableError
from infraci.model.run import Server
from infraci.parallel import in_parallel
from infraci.pipeline.work import Work
from infraci.ssh import host_keys_from_console

_CONSOLE_LINES = 15


def log_in_to_all(work: Work, servers: Sequence[Server], deadline: Deadline) -> tuple[Server, ...]:
    """Pin each server's host keys and log in, all at once."""
    tell = work.drivers.progress.server

    def log_in(server: Server) -> Server:
        tell(server.name, "waiting for its host keys")
        server = replace(server, host_keys=host_keys_of(work, server, deadline))
        tell(server.name, f"logging in at {server.address}")
        session = work.drivers.log_in(server, private_key=work.private_key, deadline=deadline)
        work.keep(server, session)
        tell(server.name, "ready")
        return server

    ready: list[Server] = []
    errors: list[Exception] = []
    for result in in_parallel(log_in, servers):
        if isinstance(result, Exception):
            errors.append(result)
        else:
            ready.append(result)
    if errors:
        raise _together(errors)
    return tuple(ready)


def host_keys_of(work: Work, server: Server, deadline: Deadline) -> tuple[str, ...]:
    """The host keys that the server printed to its console, once it has.

    Raises UnreachableError with the console's last lines when it never does.
    """
    text = ""
    what = f"{server.name} to print its host keys to its console"
    try:
        for _ in deadline.poll(what, first_s=0.1, ceiling_s=1.5):
            text = work.drivers.cloud.console(server.id)
            keys = host_keys_from_console(text)
            if keys:
                return keys
    except PhaseTimeoutError as error:
        last = "\n".join(text.strip().splitlines()[-_CONSOLE_LINES:])
        raise SilentServerError(
            f"cannot trust {server.name}: its console shows no SSH host keys after "
            f"{deadline.seconds:.0f} s",
            hint="cloud-init prints them; does the image have it, and did it get that far?",
            details=f"the end of its console:\n{last}" if last else "its console is empty",
        ) from error
    raise AssertionError("poll() ends only by an exception")


class SilentServerError(UnreachableError):
    """A server never printed its host keys; ``details`` are its console's last lines."""

    def __init__(self, message: str, *, hint: str, details: str) -> None:
        super().__init__(message, hint=hint)
        self.details = details


def _together(errors: Sequence[Exception]) -> Exception:
    """The first error; the others are noted in its details."""
    first, *others = errors
    if others:
        more = "\n".join(str(error) for error in others)
        first.details = f"{getattr(first, 'details', '')}\n\nand:\n{more}".strip()  # type: ignore[attr-defined]
    return first
