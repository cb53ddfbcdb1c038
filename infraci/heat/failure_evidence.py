"""What a stack's servers show after it failed: Nova's word on them, and their consoles."""

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

#: Of so many servers the consoles are read, where any may say why a stack failed.
_READ = 10
_LINES = 15
_GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureEvidence:
    """A server of a stack that failed."""

    id: str
    path: str  # its resource's
    status: str  # Nova's; "gone" for one that Nova does not know any more
    fault: str = ""
    console: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Whether it will not come up by itself, or never will."""
        return self.status == _GONE or self.status in DEAD or self._fatal is not None

    @property
    def state(self) -> str:
        """Its state in a sentence."""
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
    def account(self) -> str:
        """Its state, and its last words."""
        if self.status == _GONE:
            return self.state
        end = last_lines(self.console, _LINES)
        return f"{self.state}\n" + (
            f"the end of its console:\n{end}" if end else "its console is empty"
        )


def call_witnesses(
    connection: Connection, servers: Sequence[Resource]
) -> tuple[FailureEvidence, ...]:
    """What the servers show; none where the cloud does not tell."""
    with suppress(CloudError):
        return tuple(_witnesses(connection, servers))
    return ()


def _witnesses(connection: Connection, servers: Sequence[Resource]) -> Iterator[FailureEvidence]:
    paths = {server.physical_id: server.path for server in servers if server.physical_id}
    if not paths:
        return
    found = {server.id: server for server in nova.read_servers(connection, paths)}
    for number, (id_, path) in enumerate(paths.items()):
        if id_ not in found:
            yield FailureEvidence(id=id_, path=path, status=_GONE)
            continue
        server = found[id_]
        yield FailureEvidence(
            id=id_,
            path=path,
            status=server.status,
            fault=server.fault,
            console=_console(connection, server) if number < _READ else "",
            addresses=tuple(address.address for address in server.addresses),
        )


def _console(connection: Connection, server: NovaServer) -> str:
    with suppress(CloudError):  # one that no host took has none
        return nova.read_console(connection, server.id)
    return ""
