"""Watching a stack: how it stands, again and again, its events handed on meanwhile."""

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

#: So long a cloud that can may keep us waiting for a stack; its events are asked for in between.
_WAIT_S = 1
#: When less than this is left the cloud had better answer at once, or the time is over before.
_IN_TIME_S = 4.0
#: How often an update has to be seen failed until nobody will roll it back any more.
_ROLLBACK_TRIES = 3
#: Of what is unfinished when the time is over, so much is named.
_NAMED = 5
#: To learn what that is, the cloud is asked for so long after the time is over.
_LAST_LOOK_S = 10.0


class Watch:
    """One stack, watched on behalf of whoever follows its events."""

    def __init__(
        self,
        connection: Connection,
        stacks: Stacks,
        stack: Stack,
        follower: Follower,
        *,
        pace: tuple[float, float],
    ) -> None:
        """Look as soon, and then as seldom, as ``pace`` says in seconds."""
        self._connection = connection
        self._stacks = stacks
        self._stack = stack
        self._follower = follower
        self._pace = pace
        self._resources: tuple[Resource, ...] = ()  # as they were when the time was over

    @property
    def events(self) -> list[Event]:
        """All that there are by now."""
        self._follower.read()
        return self._follower.events

    def states(self, deadline: Deadline) -> Iterator[Stack]:
        """The stack as it is, without end. Raises GoneError and PhaseTimeoutError."""
        first_s, ceiling_s = self._pace
        for _ in deadline.poll(self._unfinished, first_s=first_s, ceiling_s=ceiling_s):
            in_time = deadline.remaining_s > _IN_TIME_S
            self._stack = self._stacks.read(self._stack.id, wait_s=_WAIT_S if in_time else 0)
            self._follower.read_now_and_then()
            yield self._stack

    def settled(self, deadline: Deadline) -> Stack:
        """The stack once Heat is done with what it was asked for. Raises StackFailedError."""
        with self._missing_signals():
            states = self.states(deadline)
            return next(stack for stack in states if not stack.status.endswith("IN_PROGRESS"))

    def updated(self, deadline: Deadline) -> Stack:
        """The stack once Heat is done with its update, and with rolling it back.

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
        """None once the stack is gone, else as it was left. Raises GoneError."""
        for number, stack in enumerate(self.states(deadline)):
            if stack.status == "DELETE_COMPLETE":
                return None
            if stack.status == "DELETE_FAILED" and number:
                return stack
        raise AssertionError("only an exception ends the states")

    def _unfinished(self) -> str:
        """What a stack still works on; asked only when the time is over."""
        with suppress(CloudError), self._connection.patience.within(Deadline(_LAST_LOOK_S)):
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
        """Tell of time that ended while nothing but signals of the servers was awaited."""
        try:
            yield
        except PhaseTimeoutError as error:
            awaited = self._awaited
            if not awaited or not all(resource.type in SIGNAL_TYPES for resource in awaited):
                raise
            inquest = FailedStack(
                connection=self._connection,
                stack=self._stack,
                resources=self._resources,
                events=self.events,
                failed=awaited,
                is_late=True,
            )
            message = error.message
            with self._connection.patience.within(Deadline(_LAST_LOOK_S)):
                raise inquest.error(StackFailedError, lambda _: message) from error
