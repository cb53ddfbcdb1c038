"""Testinfra's view of the server: its paramiko backend, on our connection.

So a host key is pinned, a command that hangs is noticed, and a lost connection is an error of
the infrastructure by its class.
"""

from __future__ import annotations

from typing import Any

import paramiko
from testinfra.backend.base import CommandResult, HostSpec
from testinfra.backend.paramiko import ParamikoBackend

from infraci.verify.link import Link

#: This process's server; a process has one.
_link: Link | None = None


def use(link: Link) -> None:
    """Make ``link`` this process's server."""
    global _link
    _link = link


class ServerBackend(ParamikoBackend):  # type: ignore[misc]
    """``host`` in the specs. Testinfra itself makes it, by its class path."""

    def __init__(self, hostspec: str, **options: Any) -> None:
        if _link is None:
            raise RuntimeError("no server to look at: only specs that infraci runs have one")
        self.link = _link
        super().__init__("server", **options)
        server = self.link.server
        self.host = HostSpec(server.address, str(server.port), server.user, None)
        self.hostname = server.name

    def get_pytest_id(self) -> str:
        """Name the server, so that a check is called ``test_installed[web-0]``."""
        return self.link.server.name

    @property
    def client(self) -> paramiko.SSHClient:
        """A client on the same connection, for specs that reach for it."""
        client = paramiko.SSHClient()
        client._transport = self.link.session().transport  # type: ignore[attr-defined]
        return client

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command; see :meth:`infraci.verify.link.Link.run`."""
        line = self.encode(self.get_command(command, *args))
        done = self.link.run(line)
        return self.result(done.exit_status, line, done.stdout_bytes, done.stderr_bytes)
