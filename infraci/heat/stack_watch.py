"""Polls a stack until Heat is done with it, and reads its events meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from infraci.base.deadline import Deadline
from infraci.errors import CloudError, PhaseTimeoutError
from infraci.heat.causes import SIGNAL_TYPES
from infraci.heat.events import Follower, read_resources
from infraci.heat.failed_stack import FailedStack
from infraci.heat.objects import Event, Resource, Stack
from infraci.heat.openstack_connection import Connection
from infraci.heat.reasons import leaves
from infraci.heat.stack_errors import StackFailedError
from infraci.heat.stacks import Stacks
from infraci.heat.update import FAILED

#: The longest long poll for a stack's status; infraci reads its events in between.
_WAIT_S = 1
#: With less time left than this, ask for an answer at once.
_IN_TIME_S = 4.0
#: After so many looks at a failed update Heat will not roll it back any more.
_ROLLBACK_TRIES = 3
#: The most unfinished resources that a timeout's message names.
_NAMED = 5
#: How long infraci asks for them after the time is over.
_LAST_LOOK_S = 10.0


class Watch:
    """Polls one stack and reads its events."""

    def __init__(
        self,
        connection: Connection,
        stacks: Stacks,
        stack: Stack,
        follower: Follower,
        *,
        poll_interval_s: tuple[float, float],
    ) -> None:
        """``poll_interval_s`` is the first and the longest interval."""
        self._connection = connection
        self._stacks = stacks
        self._stack = stack
        self._follower = follower
        self._poll_interval_s = poll_interval_s
        self._resources: tuple[Resource, ...] = ()  # as they were when the time was over

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        self._follower.read()
        return self._follower.events

    def states(self, deadline: Deadline) -> Iterator[Stack]:
        """The stack at each poll, endlessly. Raises GoneError and PhaseTimeoutError."""
        first_s, ceiling_s = self._poll_interval_s
        for _ in deadline.poll(self._unfinished, first_s=first_s, ceiling_s=ceiling_s):
            in_time = deadline.remaining_s > _IN_TIME_S
            self._stack = self._stacks.read(self._stack.id, wait_s=_WAIT_S if in_time else 0)
            self._follower.read_now_and_then()
            yield self._stack

    def settled(self, deadline: Deadline) -> Stack:
        """Wait until Heat is done with the stack. Raises StackFailedError."""
        with self._missing_signals():
            states = self.states(deadline)
            return next(stack for stack in states if not stack.status.endswith("IN_PROGRESS"))

    def updated(self, deadline: Deadline) -> Stack:
        """Wait until Heat is done with the stack's update, and with rolling it back.

        Raises StackFailedError.
        """
        with self._missing_signals():
            return self._updated(deadline)

    def _updated(self, deadline: Deadline) -> Stack:
        failed = 0
        for stack in self.states(deadline):
            failed += stack.status == FAILED
            if stack.status.endswith("IN_PROGRESS"):
                continue
            if stack.status != FAILED or failed == _ROLLBACK_TRIES:
                return stack
        raise AssertionError("only an exception ends the states")

    def deleted(self, deadline: Deadline) -> Stack | None:
        """Wait for the deletion: None once the stack is gone, else the stack. Raises GoneError."""
        for number, stack in enumerate(self.states(deadline)):
            if stack.status == "DELETE_COMPLETE":
                return None
            if stack.status == "DELETE_FAILED" and number:
                return stack
        raise AssertionError("only an exception ends the states")

    def _unfinished(self) -> str:
        """What the stack still works on, for the message of a timeout."""
        with suppress(CloudError), self._connection.retry.within(Deadline(_LAST_LOOK_S)):
            self._resources = read_resources(self._connection, self._stack)
        paths = [resource.path for resource in self._awaited]
        shown = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
        start = f"stack {self._stack.name} ({self._stack.status})"
        return start + (f": {shown}" if shown else "")

    @property
    def _awaited(self) -> list[Resource]:
        return leaves([r for r in self._resources if r.status.endswith("IN_PROGRESS")])

    @contextmanager
    def _missing_signals(self) -> Iterator[None]:
        """Turn a timeout while only the servers' signals are missing into a StackFailedError."""
        try:
            yield
        except PhaseTimeoutError as error:
            awaited = self._awaited
            if not awaited or not all(resource.type in SIGNAL_TYPES for resource in awaited):
                raise
            failed_stack = FailedStack(
                connection=self._connection,
                stack=self._stack,
                resources=self._resources,
                events=self.events,
                failed=awaited,
                is_late=True,
            )
            message = error.message
            with self._connection.retry.within(Deadline(_LAST_LOOK_S)):
                raise failed_stack.error(StackFailedError, lambda _: message) from error
