"""What a stack's servers show after it failed: their status at Nova, and their consoles."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from infraci.base.lines import last_lines
from infraci.diagnosis.outside import outside_cause
from infraci.errors import CloudError
from infraci.heat import nova
from infraci.heat.console import fatal_line, script_output
from infraci.heat.objects import DEAD, NovaServer, Resource
from infraci.heat.openstack_connection import Connection

#: The most servers whose consoles are read.
_READ = 10
_LINES = 15
_GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """What one server of a failed stack shows."""

    id: str
    path: str  # its resource's
    status: str  # Nova's; "gone" where Nova has no such server any more
    fault: str = ""
    console: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether the server will not come up by itself."""
        return self.status == _GONE or self.status in DEAD or self._fatal is not None

    @property
    def state(self) -> str:
        """The server's state in a sentence."""
        if self.fault or not self._fatal:
            fault = f": {self.fault}" if self.fault else ""
            return f"server {self.path} is {self.status}{fault}"
        return f"the console of {self.path} says: {self._fatal}"

    @property
    def _fatal(self) -> str | None:
        return fatal_line(self.console)

    def outside(self, own_hosts: Collection[str]) -> str | None:
        """The line of a script of its user data that tells of an unreachable mirror or registry.

        ``own_hosts`` are the stack's servers, which are not outside.
        """
        return outside_cause(script_output(self.console), own_hosts=own_hosts)

    @property
    def report(self) -> str:
        """The server's state, and the end of its console."""
        if self.status == _GONE:
            return self.state
        end = last_lines(self.console, _LINES)
        return f"{self.state}\n" + (
            f"the end of its console:\n{end}" if end else "its console is empty"
        )


def read_evidence(
    connection: Connection, servers: Sequence[Resource]
) -> tuple[FailureEvidence, ...]:
    """What the servers show; nothing where the cloud does not answer."""
    with suppress(CloudError):
        return tuple(_evidence(connection, servers))
    return ()


def _evidence(connection: Connection, resources: Sequence[Resource]) -> Iterator[FailureEvidence]:
    paths = {resource.physical_id: resource.path for resource in resources if resource.physical_id}
    if not paths:
        return
    servers = {server.id: server for server in nova.read_servers(connection, paths)}
    for number, (id_, path) in enumerate(paths.items()):
        server = servers.get(id_)
        if server is None:
            yield FailureEvidence(id=id_, path=path, status=_GONE)
            continue
        yield FailureEvidence(
            id=id_,
            path=path,
            status=server.status,
            fault=server.fault,
            console=_console(connection, server) if number < _READ else "",
            addresses=tuple(address.address for address in server.addresses),
        )


def _console(connection: Connection, server: NovaServer) -> str:
    with suppress(CloudError):  # a server that no host took has no console
        return nova.read_console(connection, server.id)
    return ""
