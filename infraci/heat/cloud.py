"""A cloud: its stacks, and the servers in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from infraci.deadline import Deadline
from infraci.heat import nova
from infraci.heat.connection import (
    LOCAL,
    Connection,
    ExistsError,
    GoneError,
    TransientCloudError,
    connect,
)
from infraci.heat.preview import read_preview
from infraci.heat.story import Follower, read_resources, stack_failed
from infraci.heat.values import (
    Event,
    FoundStack,
    Keypair,
    NovaServer,
    Resource,
    Stack,
    StackPreview,
)

OnEvent = Callable[[Event], None]
T = TypeVar("T")

_CONSOLE_LINES = 2000
_DELETE_TRIES = 4


class Request(Protocol):
    """What Heat is sent; :class:`infraci.templates.StackRequest` is one."""

    @property
    def template(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def environment(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def files(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, object]: ...  # noqa: D102


class Cloud:
    """A cloud reached with openstacksdk; the embedded one like any other."""

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._clock = clock
        self.name = connection.cloud
        near = self.name == LOCAL
        self._first_s, self._ceiling_s = (0.05, 0.25) if near else (0.5, 3.0)
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
        answer = self._heat("POST", "/stacks/preview", "plan the stack", json=_body(request, name))
        return read_preview(answer["stack"], request.template)

    def create_stack(
        self, request: Request, *, name: str, tags: Iterable[str] = (), timeout_s: float
    ) -> str:
        """Ask Heat for a stack; returns its id. Heat itself gives up after the timeout.

        Should the answer get lost, the stack that came of it is taken: names are ours alone.
        Raises RefusedError when Heat finds the request wrong.
        """
        body = _body(request, name)
        body |= {"tags": ",".join(tags), "timeout_mins": max(1, round(timeout_s / 60 + 0.5))}
        try:
            answer = self._heat("POST", "/stacks", f"create stack {name}", json=body)
        except (TransientCloudError, ExistsError):
            made = self.find_stack(name)
            if made is None or not set(tags) <= set(made.tags):
                raise
            return made.id
        return str(answer["stack"]["id"])

    def find_stack(self, name_or_id: str) -> Stack | None:
        """The stack of that name or id; None if there is none."""
        try:
            stack = self._stack(name_or_id)
        except GoneError:
            return None
        return None if stack.status == "DELETE_COMPLETE" else stack

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
        stack = self._patiently(lambda: self._stack(stack_id), deadline)
        follower = Follower(self._connection, stack, on_event)

        def look() -> Stack:
            seen = self._stack(stack_id, stack.name)
            follower.read()
            return seen

        def awaited() -> str:
            return self._unfinished(stack)

        for _ in deadline.poll(awaited, first_s=self._first_s, ceiling_s=self._ceiling_s):
            stack = self._patiently(look, deadline)
            if not stack.status.endswith("IN_PROGRESS"):
                follower.read()
                break
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
            stack = self._stack(name_or_id)
        except GoneError:
            return
        follower = Follower(self._connection, stack, on_event)
        follower.skip()
        left: Stack | None = stack
        for attempt in range(_DELETE_TRIES):
            self._pause(attempt, stack, deadline)
            left = self._delete_once(stack, follower, deadline)
            if left is None:
                return
        raise stack_failed("delete", left or stack, self.resources(stack.id), follower.events)

    def _delete_once(self, stack: Stack, follower: Follower, deadline: Deadline) -> Stack | None:
        """Returns None when the stack is gone, else as it was left."""
        path = f"/stacks/{stack.name}/{stack.id}"

        def ask() -> None:
            self._heat("DELETE", path, f"delete stack {stack.name}")

        def look() -> Stack:
            follower.read()
            return self._stack(stack.id, stack.name)

        try:
            self._patiently(ask, deadline)
            for number in deadline.poll(
                lambda: self._unfinished(stack), first_s=self._first_s, ceiling_s=self._ceiling_s
            ):
                seen = self._patiently(look, deadline)
                if seen.status == "DELETE_COMPLETE":
                    return None
                if seen.status == "DELETE_FAILED" and number:
                    return seen
        except GoneError:
            return None
        raise AssertionError("poll() ends only by an exception")

    def _pause(self, attempt: int, stack: Stack, deadline: Deadline) -> None:
        """Wait before another try, longer each time."""
        wait_s = self._first_s * 4 * attempt
        for number in deadline.poll(
            f"the next try to delete {stack.name}", first_s=wait_s, ceiling_s=wait_s
        ):
            if number:
                return

    def resources(self, stack_id: str) -> tuple[Resource, ...]:
        """All resources of a stack, those of nested stacks too."""
        return read_resources(self._connection, self._stack(stack_id))

    def events(self, stack_id: str) -> tuple[Event, ...]:
        """All events of a stack, those of nested stacks too."""
        follower = Follower(self._connection, self._stack(stack_id), None)
        follower.read()
        return tuple(follower.events)

    def outputs(self, stack_id: str) -> Mapping[str, object]:
        """The stack's outputs; those that Heat could not compute are left out."""
        return self._stack(stack_id, outputs=True).outputs

    def find_stacks(self, tags: Iterable[str]) -> tuple[FoundStack, ...]:
        """The stacks that have all of the tags."""
        params: dict[str, object] = {"tags": ",".join(tags), "limit": 100}
        found: list[FoundStack] = []
        while True:
            entries = self._heat("GET", "/stacks", "list stacks", params=params)["stacks"]
            found += [
                FoundStack(
                    id=entry["id"],
                    name=entry["stack_name"],
                    status=entry["stack_status"],
                    tags=tuple(entry.get("tags") or ()),
                )
                for entry in entries
            ]
            if len(entries) < 100:
                return tuple(found)
            params["marker"] = entries[-1]["id"]

    # Servers and key pairs

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]:
        """The servers of a stack, those of nested stacks too, by name."""
        ours = {resource.physical_id for resource in self.resources(stack_id)}
        return nova.read_servers(self._connection, ours)

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

    # Asking

    def _stack(self, name_or_id: str, name: str | None = None, *, outputs: bool = False) -> Stack:
        path = f"/stacks/{name}/{name_or_id}" if name else f"/stacks/{name_or_id}"
        params: dict[str, object] = {"resolve_outputs": str(outputs)}
        entry = self._heat("GET", path, f"read stack {name or name_or_id}", params=params)["stack"]
        return Stack(
            id=entry["id"],
            name=entry["stack_name"],
            status=entry["stack_status"],
            reason=entry.get("stack_status_reason") or "",
            tags=tuple(entry.get("tags") or ()),
            outputs={
                output["output_key"]: output.get("output_value")
                for output in entry.get("outputs") or ()
                if not output.get("output_error")
            },
        )

    def _unfinished(self, stack: Stack) -> str:
        """What a stack still works on; asked only when the time is over."""
        try:
            resources = read_resources(self._connection, stack)
        except Exception:
            return f"stack {stack.name} ({stack.status})"
        open_ = [r.path for r in resources if r.status.endswith("IN_PROGRESS")]
        leaves = [p for p in open_ if not any(other.startswith(f"{p}.") for other in open_)]
        shown = ", ".join(leaves[:5]) + (", …" if len(leaves) > 5 else "")
        return f"stack {stack.name} ({stack.status})" + (f": {shown}" if shown else "")

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

    def _heat(self, method: str, path: str, verb: str, **more: Any) -> Any:
        return self._connection.ask(verb, "orchestration", method, path, **more)


def _body(request: Request, name: str) -> dict[str, object]:
    return {
        "stack_name": name,
        "template": request.template,
        "environment": request.environment,
        "files": request.files,
        "parameters": request.parameters,
        "disable_rollback": True,
    }
