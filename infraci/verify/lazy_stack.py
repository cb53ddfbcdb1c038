"""A stack that is stood up when a test first needs it, and its servers' connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from infraci.errors import InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.verify import backend
from infraci.verify.server_connection import ServerConnection
from infraci.verify.stack_view import Plan, PlannedServer, Stack, find_server

#: The most servers to connect to in advance; others are connected to by their first test.
_AT_ONCE = 16
#: Stands a stack up, or finds it standing; returns the folder of its run. Blocks; raises
#: InfraciError.
StandUp = Callable[[], RunFolder]


class LazyStack:
    """One stack, which all its tests in this process share.

    ``only`` is the one server that this process tests; None where it tests all.
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
        self._is_reported = False  # why it has failed
        self._awaited: list[ServerHandle] = []
        self._handles = {server.name: ServerHandle(self, server) for server in plan.servers}

    def folder(self) -> RunFolder:
        """The run's folder; stands the stack up first if need be.

        Raises InfraciError; after a failure, at once.
        """
        self.prepare()
        if self._failed is not None:
            if self._is_reported:
                raise InfraciError(f"not checked: {self._failed.message}")
            self._is_reported = True
            raise self._failed
        if self._folder is None:
            raise AssertionError("it stands or has failed")
        return self._folder

    def prepare(self) -> None:
        """Stand the stack up if need be; ``folder`` raises what went wrong."""
        if self._folder is None and self._failed is None:
            try:
                self._folder = self._stand_up()
            except InfraciError as error:
                self._failed = error
                return
            for handle in self._awaited[:_AT_ONCE]:
                with suppress(InfraciError):  # the tests of a missing server report it
                    handle.connection.open()

    def await_tests(self, handles: Iterable[ServerHandle]) -> None:
        """Connect to these servers in parallel as soon as the stack stands."""
        self._awaited = list(dict.fromkeys(handles))

    def stack(self) -> Stack:
        """The stack; stands it up first if need be."""
        folder = self.folder()
        if self._stack is None:
            self._stack = Stack.read(folder)
        return self._stack

    def lost(self, error: InfraciError) -> None:
        """Make all tests of the stack fail from now on."""
        self._failed = error

    def handle(self, server: PlannedServer) -> ServerHandle:
        """The handle of one of its servers."""
        return self._handles[server.name]

    def testable(self, servers: Sequence[PlannedServer]) -> tuple[PlannedServer, ...]:
        """The servers that this process tests."""
        return tuple(s for s in servers if self.only is None or s.name == self.only.name)

    def close(self) -> None:
        """End the connections."""
        for handle in self._handles.values():
            handle.close()


class ServerHandle:
    """One server of a stack; connects when a test first looks at it."""

    def __init__(self, lazy_stack: LazyStack, planned: PlannedServer) -> None:
        self.lazy_stack = lazy_stack
        self.planned = planned
        self.url = backend.announce(self)
        self._connection: ServerConnection | None = None

    @property
    def server(self) -> Server:
        """The server; stands its stack up first if need be."""
        only = self.lazy_stack.only
        if only is not None and only.name == self.planned.name:
            return only
        return find_server(self.lazy_stack.stack(), self.planned)

    @property
    def existing_connection(self) -> ServerConnection | None:
        """The connection if there is one, also after the stack was lost."""
        return self._connection

    @property
    def connection(self) -> ServerConnection:
        """The connection; the first call creates it."""
        folder = self.lazy_stack.folder()
        if self._connection is None:
            self._connection = ServerConnection(
                self.server,
                folder.login_key,
                timeout_s=self.lazy_stack.plan.verify_s,
            )
        return self._connection

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
