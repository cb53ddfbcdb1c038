"""A cloud: its stacks, waited for, and the servers in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from infraci.deadline import Deadline
from infraci.errors import CloudError
from infraci.heat import nova
from infraci.heat.connection import LOCAL, Connection, GoneError, TransientCloudError, connect
from infraci.heat.stacks import Request, Stacks
from infraci.heat.story import Follower, OnEvent, read_resources, stack_failed
from infraci.heat.values import (
    Event,
    FoundStack,
    Keypair,
    NovaServer,
    Resource,
    Stack,
    StackPreview,
)

T = TypeVar("T")

_DELETE_TRIES = 4


class Cloud:
    """A cloud reached with openstacksdk; the embedded one like any other."""

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._stacks = Stacks(connection)
        self._clock = clock
        self.name = connection.cloud
        near = self.name == LOCAL
        self._first_s, self._ceiling_s = (0.05, 0.25) if near else (0.5, 3.0)
        #: Events cost Heat more than the status does, and nobody reads that fast.
        self._events_s = 0.5 if near else 0.0
        #: How long a cloud that does not answer is asked again before a wait is given up.
        self.patience_s = 5.0 if near else 60.0

    @classmethod
    def connect(cls, name: str, *, local: Callable[[], Path] | None = None) -> Self:
        """Open a cloud of ``clouds.yaml``; ``local`` brings the embedded one up.

        Raises UsageError for an unknown name.
        """
        return cls(connect(name, local=local))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    # Stacks

    def preview(self, request: Request, *, name: str) -> StackPreview:
        """What Heat would make of a request. Raises RefusedError with Heat's reason."""
        return self._stacks.preview(request, name)

    def create_stack(
        self, request: Request, *, name: str, tags: Iterable[str] = (), timeout_s: float
    ) -> str:
        """Ask Heat for a stack; returns its id. Heat itself gives up after the timeout.

        Should the answer get lost, the stack that came of it is taken: names are ours alone.
        Raises RefusedError when Heat finds the request wrong.
        """
        return self._stacks.create(request, name, tuple(tags), timeout_s)

    def find_stack(self, name_or_id: str) -> Stack | None:
        """The stack of that name or id; None if there is none."""
        return self._stacks.find(name_or_id)

    def find_stacks(self, tags: Iterable[str]) -> tuple[FoundStack, ...]:
        """The stacks that have all of the tags."""
        return self._stacks.find_by_tags(tags)

    def outputs(self, stack_id: str) -> Mapping[str, object]:
        """The stack's outputs; those that Heat could not compute are left out."""
        return self._stacks.read(stack_id, outputs=True).outputs

    def resources(self, stack_id: str) -> tuple[Resource, ...]:
        """All resources of a stack, those of nested stacks too."""
        return read_resources(self._connection, self._stacks.known(stack_id))

    def events(self, stack_id: str) -> tuple[Event, ...]:
        """All events of a stack, those of nested stacks too."""
        follower = Follower(self._connection, self._stacks.known(stack_id), None)
        follower.read()
        return tuple(follower.events)

    def wait(
        self,
        stack_id: str,
        wanted: str = "CREATE_COMPLETE",
        *,
        deadline: Deadline,
        on_event: OnEvent | None = None,
    ) -> Stack:
        """Wait until the stack has a status, handing on its events.

        Raises StackFailedError as soon as it ends in another one, and PhaseTimeoutError.
        """
        stack = self._patiently(lambda: self._stacks.read(stack_id), deadline)
        follower = self._follow(stack, on_event)

        seen = stack

        def look() -> Stack:
            nonlocal seen
            seen = self._stacks.read(stack_id)
            follower.read_now_and_then()
            return seen

        for _ in self._poll(lambda: self._unfinished(seen), deadline):
            stack = self._patiently(look, deadline)
            if not stack.status.endswith("IN_PROGRESS"):
                break
        follower.read()
        if stack.status == wanted:
            return stack
        verb = wanted.partition("_")[0].lower()
        raise stack_failed(verb, stack, self.resources(stack.id), follower.events)

    def delete_stack(
        self, name_or_id: str, *, deadline: Deadline, on_event: OnEvent | None = None
    ) -> None:
        """Delete a stack and wait until it is gone; gone already is a success.

        What cannot be deleted is tried again a few times, since clouds often need only that.
        Raises StackFailedError saying what is left, and PhaseTimeoutError.
        """
        try:
            stack = self._stacks.read(name_or_id)
        except GoneError:
            return
        follower = self._follow(stack, on_event)
        follower.skip()
        left: Stack | None = stack
        for attempt in range(_DELETE_TRIES):
            self._pause(attempt, stack, deadline)
            left = self._delete_once(stack, follower, deadline)
            if left is None:
                return
        follower.read()
        raise stack_failed("delete", left or stack, self.resources(stack.id), follower.events)

    def _delete_once(self, stack: Stack, follower: Follower, deadline: Deadline) -> Stack | None:
        """Returns None when the stack is gone, else as it was left."""

        def look() -> Stack:
            follower.read_now_and_then()
            return self._stacks.read(stack.id)

        try:
            self._patiently(lambda: self._stacks.delete(stack), deadline)
            for number in self._poll(lambda: self._unfinished(stack), deadline):
                seen = self._patiently(look, deadline)
                if seen.status == "DELETE_COMPLETE":
                    return None
                if seen.status == "DELETE_FAILED" and number:
                    return seen
        except GoneError:
            return None
        raise AssertionError("poll() ends only by an exception")

    # Servers and key pairs

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]:
        """The servers of a stack, those of nested stacks too, by name."""
        ours = {resource.physical_id for resource in self.resources(stack_id)}
        return nova.read_servers(self._connection, ours)

    def server(self, server_id: str) -> NovaServer:
        """One server as it is now: its status, and Nova's fault of one in ERROR.

        Raises GoneError.
        """
        return nova.read_server(self._connection, server_id)

    def console(self, server_id: str) -> str:
        """The end of what a server wrote to its console."""
        return nova.read_console(self._connection, server_id)

    def create_keypair(self, name: str, public_key: str) -> None:
        """Give the cloud a public key; having it already is a success."""
        nova.create_keypair(self._connection, name, public_key)

    def delete_keypair(self, name: str) -> None:
        """Make the cloud forget a key pair; gone already is a success."""
        nova.delete_keypair(self._connection, name)

    def keypairs(self) -> tuple[Keypair, ...]:
        """The user's key pairs."""
        return nova.read_keypairs(self._connection)

    # Waiting

    def _follow(self, stack: Stack, on_event: OnEvent | None) -> Follower:
        return Follower(
            self._connection, stack, on_event, every_s=self._events_s, clock=self._clock
        )

    def _poll(self, what: Callable[[], str], deadline: Deadline) -> Iterable[int]:
        return deadline.poll(what, first_s=self._first_s, ceiling_s=self._ceiling_s)

    def _pause(self, attempt: int, stack: Stack, deadline: Deadline) -> None:
        """Wait before another try, longer each time."""
        wait_s = self._first_s * 4 * attempt
        what = f"the next try to delete {stack.name}"
        for number in deadline.poll(what, first_s=wait_s, ceiling_s=wait_s):
            if number:
                return

    def _patiently(self, ask: Callable[[], T], deadline: Deadline) -> T:
        """Ask again for a while when the cloud does not answer: API services are restarted."""
        since: float | None = None
        for _ in deadline.poll(f"cloud {self.name} to answer", first_s=0.5, ceiling_s=5):
            try:
                return ask()
            except TransientCloudError:
                since = since if since is not None else self._clock()
                if self._clock() - since >= self.patience_s:
                    raise
        raise AssertionError("poll() ends only by an exception")

    def _unfinished(self, stack: Stack) -> str:
        """What a stack still works on; asked only when the time is over."""
        shown = ""
        with suppress(CloudError):
            found = read_resources(self._connection, stack)
            unfinished = [r.path for r in found if r.status.endswith("IN_PROGRESS")]
            leaves = [
                path
                for path in unfinished
                if not any(other.startswith(f"{path}.") for other in unfinished)
            ]
            shown = ", ".join(leaves[:5]) + (", …" if len(leaves) > 5 else "")
        return f"stack {stack.name} ({stack.status})" + (f": {shown}" if shown else "")
