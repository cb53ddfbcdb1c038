"""Testinfra's paramiko backend on infraci's own connection to a server.

So host keys are pinned, commands have a timeout, and a lost connection raises an error of the
infrastructure.
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


class ReachableServer(Protocol):
    """A server to look at; see :class:`infraci.verify.lazy_stack.ServerHandle`."""

    @property
    def planned(self) -> PlannedServer: ...  # noqa: D102

    @property
    def server(self) -> Server: ...  # noqa: D102

    @property
    def connection(self) -> ServerConnection: ...  # noqa: D102


#: A shell that sudo starts prints this mark first on stderr: any text before it is sudo's. The
#: command has the mark in two halves, since sudo may print a command that it refuses; a newline
#: follows, so that the shell prints the mark before it parses the rest.
_HALVES = (secrets.token_hex(4).encode(), secrets.token_hex(4).encode())
_MARK = b"".join(_HALVES)
_PRINT_MARK = b"printf %%s%%s %b %b >&2\n" % _HALVES
#: This process's servers, by the numbers that stand for them in URLs: names may hold anything.
_handles: dict[str, ReachableServer] = {}
_numbers = itertools.count()


def announce(handle: ReachableServer) -> str:
    """Register a server with Testinfra; returns its URL."""
    number = str(next(_numbers))
    _handles[number] = handle
    return f"{_SCHEME}://{number}"


class ServerBackend(ParamikoBackend):  # type: ignore[misc]
    """``host`` in the specs. Testinfra creates it by its class path, before there is any server."""

    def __init__(self, hostspec: str, **options: Any) -> None:
        self.handle = _handles[hostspec]
        self._planned = HostSpec(self.handle.planned.name, None, None, None)
        self._is_made = False
        super().__init__("server", **options)
        self._is_made = True

    @property
    def host(self) -> HostSpec:
        """The server's address, port and user."""
        if not self._is_made:
            return self._planned
        server = self.handle.server
        return HostSpec(server.address, str(server.port), server.user, None)

    @host.setter
    def host(self, value: HostSpec) -> None:
        """Ignore the host that Testinfra sets."""

    @property
    def hostname(self) -> str:
        """The server's name."""
        return str(self.handle.server.name)

    @hostname.setter
    def hostname(self, value: str) -> None:
        """Ignore the name that Testinfra sets."""

    def get_pytest_id(self) -> str:
        """Name the server, so that a check is called ``test_installed[web-0]``."""
        return self.handle.planned.name

    @property
    def client(self) -> paramiko.SSHClient:
        """A client on the same connection, for specs that use paramiko themselves."""
        client = paramiko.SSHClient()
        client._transport = self.handle.connection.session().transport  # type: ignore[attr-defined]
        return client

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """Testinfra's command for ``--sudo`` and ``host.sudo()``, but never asking a password."""
        user = "" if sudo_user is None else f"-u {shlex.quote(sudo_user)} "
        return f"sudo -n {user}/bin/sh -c {shlex.quote(_PRINT_MARK.decode() + command)}"

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command; raises SudoRefusedError. See :meth:`ServerConnection.run`."""
        __tracebackhide__ = True
        line = self.encode(self.get_command(command, *args))
        done = self.handle.connection.run(line)
        stderr = self._without_sudo(done, line.count(_PRINT_MARK))
        return self.result(
            done.exit_status, line.replace(_PRINT_MARK, b""), done.stdout_bytes, stderr
        )

    def _without_sudo(self, done: Completed, depth: int) -> bytes:
        """The stderr of a command within ``depth`` sudos, without theirs. Raises SudoRefusedError.

        The output of a spec's own "sudo" is the command's.
        """
        __tracebackhide__ = True
        *before, own = done.stderr_bytes.split(_MARK, depth)
        connection = self.handle.connection
        connection.note_sudo(b"".join(before), own, has_failed=done.exit_status != 0)
        if len(before) < depth and done.exit_status > 0:
            user = "the user of the outer sudo" if before else connection.server.user
            printed = own.replace(_PRINT_MARK, b"").decode(errors="replace")
            raise SudoRefusedError(connection.server.name, refusal_of(printed, user))
        return own
