"""Testinfra's view of a server: its paramiko backend, on our connection.

So a host key is pinned, a command that hangs is noticed, and a lost connection is an error of
the infrastructure by its class.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import paramiko
import testinfra.backend
from testinfra.backend.base import CommandResult, HostSpec
from testinfra.backend.paramiko import ParamikoBackend

from infraci.model.run import Server
from infraci.verify.link import Link
from infraci.verify.stack import PlannedServer

_SCHEME = "infraci"
testinfra.backend.BACKENDS[_SCHEME] = f"{__name__}.ServerBackend"


class Place(Protocol):
    """Where there is a server to look at; see :class:`infraci.verify.stand.Seat`."""

    @property
    def planned(self) -> PlannedServer: ...  # noqa: D102

    @property
    def server(self) -> Server: ...  # noqa: D102

    @property
    def link(self) -> Link: ...  # noqa: D102


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

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command; see :meth:`infraci.verify.link.Link.run`."""
        line = self.encode(self.get_command(command, *args))
        done = self.place.link.run(line)
        return self.result(done.exit_status, line, done.stdout_bytes, done.stderr_bytes)
