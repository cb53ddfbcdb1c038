"""A stack as a process with specs has it: planned, standing when first needed, connected to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from infraci.errors import InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.verify import backend
from infraci.verify.server_connection import ServerConnection
from infraci.verify.stack_view import Plan, PlannedServer, Stack, find_server

#: So many servers are connected to beforehand; more are when their tests come.
_AT_ONCE = 16
#: Stands a stack up, or finds it standing; returns the folder of its run. Blocks; raises
#: InfraciError.
StandUp = Callable[[], RunFolder]


class LazyStack:
    """One stack, for all tests of this process that are for it.

    ``only`` is the one server that this process judges, if it is not to judge them all.
    """

    def __init__(
        self, key: str, plan: Plan, stand_up: StandUp, *, only: Server | None = None
    ) -> None:
        self.key = key
        self.plan = plan
        self.only = only
        self._stand_up = stand_up
        self._folder: RunFolder | None = None
        self._stack: Stack | None = None
        self._failed: InfraciError | None = None
        self._has_told = False  # why it has failed
        self._awaited: list[ServerHandle] = []
        self._seats = {server.name: ServerHandle(self, server) for server in plan.servers}

    def folder(self) -> RunFolder:
        """The run's folder; stands the stack up first if it does not stand yet.

        What has failed once fails at once. Raises InfraciError.
        """
        self.prepare()
        if self._failed is not None:
            if self._has_told:
                raise InfraciError(f"not checked: {self._failed.message}")
            self._has_told = True
            raise self._failed
        if self._folder is None:
            raise AssertionError("it stands or has failed")
        return self._folder

    def prepare(self) -> None:
        """Stand the stack up if it does not stand yet; whoever needs it hears of failure."""
        if self._folder is None and self._failed is None:
            try:
                self._folder = self._stand_up()
            except InfraciError as error:
                self._failed = error
                return
            for seat in self._awaited[:_AT_ONCE]:
                with suppress(InfraciError):  # of a server that is not there: its tests tell
                    seat.link.open()

    def await_tests(self, seats: Iterable[ServerHandle]) -> None:
        """Have these servers connected to as soon as the stack stands, all at once."""
        self._awaited = list(dict.fromkeys(seats))

    def stack(self) -> Stack:
        """The stack, stood up if it does not stand yet."""
        folder = self.folder()
        if self._stack is None:
            self._stack = Stack.read(folder)
        return self._stack

    def lost(self, error: InfraciError) -> None:
        """Have all that needs it fail from now on."""
        self._failed = error

    def seat(self, server: PlannedServer) -> ServerHandle:
        """One of its servers."""
        return self._seats[server.name]

    def mine(self, servers: Sequence[PlannedServer]) -> tuple[PlannedServer, ...]:
        """Those of the servers that this process judges."""
        return tuple(s for s in servers if self.only is None or s.name == self.only.name)

    def close(self) -> None:
        """End the connections."""
        for seat in self._seats.values():
            seat.close()


class ServerHandle:
    """One server of a stack, connected to when it is first looked at."""

    def __init__(self, stand: LazyStack, planned: PlannedServer) -> None:
        self.stand = stand
        self.planned = planned
        self.url = backend.announce(self)
        self._link: ServerConnection | None = None

    @property
    def server(self) -> Server:
        """The server itself; stands its stack up if need be."""
        only = self.stand.only
        if only is not None and only.name == self.planned.name:
            return only
        return find_server(self.stand.stack(), self.planned)

    @property
    def made_link(self) -> ServerConnection | None:
        """The connection if it has been made, even where the stack is lost meanwhile."""
        return self._link

    @property
    def link(self) -> ServerConnection:
        """The connection; whoever asks first may have it made."""
        folder = self.stand.folder()
        if self._link is None:
            self._link = ServerConnection(
                self.server,
                folder.login_key,
                timeout_s=self.stand.plan.verify_s,
            )
        return self._link

    def close(self) -> None:
        """End the connection."""
        if self._link is not None:
            self._link.close()
