"""Testinfra's view of a server: its paramiko backend, on our connection.

So a host key is pinned, a command that hangs is noticed, and a lost connection is an error of
the infrastructure by its class.
"""

from __future__ import annotations

import itertools
import secrets
import shlex
from typing import Any, Protocol

import paramiko
import testinfra.backend
from testinfra.backend.base import CommandResult, HostSpec
from testinfra.backend.paramiko import ParamikoBackend

from infraci.diagnosis.sudo import SudoRefusedError, refusal_of
from infraci.model.run import Server
from infraci.ssh import Completed
from infraci.verify.server_connection import ServerConnection
from infraci.verify.stack_view import PlannedServer

_SCHEME = "infraci"
testinfra.backend.BACKENDS[_SCHEME] = f"{__name__}.ServerBackend"


class Place(Protocol):
    """Where there is a server to look at; see :class:`infraci.verify.lazy_stack.ServerHandle`."""

    @property
    def planned(self) -> PlannedServer: ...  # noqa: D102

    @property
    def server(self) -> Server: ...  # noqa: D102

    @property
    def link(self) -> ServerConnection: ...  # noqa: D102


#: What a shell that sudo has started prints first on its stderr: what comes before is sudo's.
#: It comes in two halves, since sudo may print the command that it refuses; and with a newline
#: behind it, so that it is printed before the shell reads what may be wrong.
_HALVES = (secrets.token_hex(4).encode(), secrets.token_hex(4).encode())
_MARK = b"".join(_HALVES)
_PRINT_MARK = b"printf %%s%%s %b %b >&2\n" % _HALVES
#: This process's servers; names may hold anything, so that numbers stand for them in URLs.
_places: dict[str, Place] = {}
_numbers = itertools.count()


def announce(place: Place) -> str:
    """Make a server known to Testinfra; returns its URL."""
    number = str(next(_numbers))
    _places[number] = place
    return f"{_SCHEME}://{number}"


class ServerBackend(ParamikoBackend):  # type: ignore[misc]
    """``host`` in the specs. Testinfra itself makes it, by its class path, before any server is."""

    def __init__(self, hostspec: str, **options: Any) -> None:
        self.place = _places[hostspec]
        self._planned = HostSpec(self.place.planned.name, None, None, None)
        self._is_made = False
        super().__init__("server", **options)
        self._is_made = True

    @property
    def host(self) -> HostSpec:
        """Where the server is."""
        if not self._is_made:
            return self._planned
        server = self.place.server
        return HostSpec(server.address, str(server.port), server.user, None)

    @host.setter
    def host(self, value: HostSpec) -> None:
        """Testinfra's own idea of it is none."""

    @property
    def hostname(self) -> str:
        """The server's name."""
        return str(self.place.server.name)

    @hostname.setter
    def hostname(self, value: str) -> None:
        """As with the host."""

    def get_pytest_id(self) -> str:
        """Name the server, so that a check is called ``test_installed[web-0]``."""
        return self.place.planned.name

    @property
    def client(self) -> paramiko.SSHClient:
        """A client on the same connection, for specs that reach for it."""
        client = paramiko.SSHClient()
        client._transport = self.place.link.session().transport  # type: ignore[attr-defined]
        return client

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """For ``--sudo`` and ``host.sudo()``: Testinfra's own, but it never asks for a password."""
        user = "" if sudo_user is None else f"-u {shlex.quote(sudo_user)} "
        return f"sudo -n {user}/bin/sh -c {shlex.quote(_PRINT_MARK.decode() + command)}"

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command; raises SudoRefusedError. See :meth:`ServerConnection.run`."""
        __tracebackhide__ = True
        line = self.encode(self.get_command(command, *args))
        done = self.place.link.run(line)
        stderr = self._without_sudo(done, line.count(_PRINT_MARK))
        return self.result(
            done.exit_status, line.replace(_PRINT_MARK, b""), done.stdout_bytes, stderr
        )

    def _without_sudo(self, done: Completed, depth: int) -> bytes:
        """What a command itself printed on stderr, within so many sudos. Raises SudoRefusedError.

        What a spec's own "sudo" prints is the command's.
        """
        __tracebackhide__ = True
        *before, own = done.stderr_bytes.split(_MARK, depth)
        link = self.place.link
        link.hear_sudo(b"".join(before), own, has_failed=done.exit_status != 0)
        if len(before) < depth and done.exit_status > 0:
            user = "the user of the outer sudo" if before else link.server.user
            printed = own.replace(_PRINT_MARK, b"").decode(errors="replace")
            raise SudoRefusedError(link.server.name, refusal_of(printed, user))
        return own
