"""A cloud: creates, awaits and deletes its stacks, and reads the servers in them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self

from infraci.base.closing import Closing
from infraci.base.deadline import Deadline, waits
from infraci.errors import CloudError
from infraci.heat import nova, update
from infraci.heat.balancer_status import read_balancers
from infraci.heat.capacity import Capacity
from infraci.heat.catalog_query import read_catalog
from infraci.heat.cloud_errors import LOCAL, GoneError
from infraci.heat.events import Follower, OnEvent, read_resources
from infraci.heat.failed_stack import removal_failed, stack_failed
from infraci.heat.leftovers import Leftover, Mark, find_leftovers
from infraci.heat.made_volumes import volumes_of_servers
from infraci.heat.objects import (
    Event,
    FoundStack,
    Keypair,
    NovaServer,
    Resource,
    Stack,
    StackPreview,
)
from infraci.heat.openstack_connection import Connection, connect
from infraci.heat.security_groups import Admission, read_admission, read_default_rules
from infraci.heat.stack_watch import Watch
from infraci.heat.stacks import Request, Stacks
from infraci.heat.sweep import sweep
from infraci.model.catalog import Catalog
from infraci.model.run import ResourceReference

#: After so many failed deletions infraci removes a stack's resources one by one.
_DELETE_TRIES = 3


class Cloud(Closing):
    """A cloud reached with openstacksdk; the embedded one like any other."""

    def __init__(
        self, connection: Connection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._stacks = Stacks(connection)
        self._clock = clock
        self.name = connection.cloud
        self.where = connection.where
        self.clouds_yaml = connection.clouds_yaml
        near = self.name == LOCAL
        #: The first and the longest interval between polls.
        self.poll_interval_s = (0.05, 0.12) if near else (0.5, 2.0)
        #: How long a deleted resource may still be listed: a server's ports go after it.
        self._going_s = 2.0 if near else 10.0
        #: Between reads of events, which cost Heat more than a status does.
        self._events_s = 0.5 if near else 3.0

    @classmethod
    def connect(
        cls,
        name: str,
        *,
        local: Callable[[], Path] | None = None,
        clouds_yaml: Path | None = None,
    ) -> Self:
        """Open a cloud of ``clouds.yaml``; ``local`` brings the embedded one up.

        Raises UsageError for an unknown name.
        """
        if clouds_yaml is not None:
            return cls(Connection.open(name, clouds_yaml=clouds_yaml))
        return cls(connect(name, local=local))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """Retry requests of all threads until this deadline, while the cloud's errors may pass."""
        with self._connection.retry.within(deadline):
            yield

    @property
    def api_calls(self) -> Counter[str]:
        """How many requests infraci has sent, by service and method: "compute GET" → 12."""
        return self._connection.calls

    def catalog(self) -> Catalog:
        """The flavors and images that servers can be made of."""
        return read_catalog(self._connection)

    @property
    def capacity(self) -> Capacity:
        """The account's roles and quotas."""
        return Capacity(self._connection)

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of all images, flavors, networks or keys: ``names("image")``."""
        return self.capacity.names(kind)

    # Stacks

    def preview(self, request: Request, *, name: str) -> StackPreview:
        """What Heat would make of a request. Raises RefusedError with Heat's reason."""
        return self._stacks.preview(request, name)

    def updatable(self, resource_type: str) -> Mapping[str, bool]:
        """A type's properties, and whether Heat changes each in place; none for an unknown type."""
        return self._stacks.updatable(resource_type)

    def is_retired(self, resource_type: str) -> bool:
        """Whether Heat keeps a type only as a placeholder for stacks that have it already."""
        return self._stacks.is_retired(resource_type)

    def default_rules(self) -> Sequence[Mapping[str, Any]] | None:
        """The rules of the project's security group `default`; None where it cannot be told."""
        try:
            return read_default_rules(self._connection)
        except CloudError:
            return None

    def admission(self, server_id: str, port: int, *, source: str | None) -> Admission:
        """Whether a server's security groups let TCP connections to a port in, and which they are.

        ``source`` is the client's address as the cloud sees it; None if that is not known.
        """
        return read_admission(self._connection, server_id, port, source=source)

    def create_stack(
        self, request: Request, *, name: str, tags: Iterable[str] = (), timeout_s: float
    ) -> str:
        """Ask Heat for a stack; returns its id. Heat itself gives up after the timeout.

        Where the answer is lost, takes the stack of that name: no other client uses it.
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
        """The stack's outputs, without those that Heat could not compute."""
        return self._stacks.read(stack_id, outputs=True).outputs

    def resources(self, stack_id: str) -> tuple[Resource, ...]:
        """All resources of a stack and of its nested stacks."""
        return read_resources(self._connection, self._stacks.known(stack_id))

    def balancers(self, stack_id: str) -> str:
        """What a stack's load balancers say of their members, as JSON; empty without any."""
        return read_balancers(self._connection, self.resources(stack_id))

    def events(self, stack_id: str) -> tuple[Event, ...]:
        """All events of a stack and of its nested stacks."""
        follower = Follower(self._connection, self._stacks.known(stack_id), None)
        follower.read()
        return tuple(follower.events)

    def wait(
        self,
        stack_id: str,
        status: str = "CREATE_COMPLETE",
        *,
        deadline: Deadline,
        on_event: OnEvent | None = None,
    ) -> Stack:
        """Wait until the stack has a status; calls ``on_event`` with its events meanwhile.

        Raises StackFailedError as soon as it ends in another status, or if the time is over while
        only the servers' signals are missing; else PhaseTimeoutError.
        """
        with self.within(deadline):
            watch = self._watch(self._stacks.known(stack_id), on_event)
            stack, events = watch.settled(deadline), watch.events
            if stack.status == status:
                return stack
            verb = status.partition("_")[0].lower()
            raise stack_failed(self._connection, verb, stack, self._remains(stack), events)

    def update_stack(
        self,
        stack_id: str,
        request: Request,
        *,
        tags: Iterable[str],
        deadline: Deadline,
        on_event: OnEvent | None = None,
    ) -> None:
        """Update a stack and wait for its end; Heat rolls back an update that fails.

        Raises RefusedError when Heat finds the request wrong, UpdateFailedError, and
        PhaseTimeoutError.
        """
        with self.within(deadline):
            stack = self._stacks.read(stack_id)
            watch = self._watch(stack, on_event, from_now=True)
            self._stacks.update(stack, request, tags, deadline.remaining_s)
            stack, events = watch.updated(deadline), watch.events
            if stack.status != update.UPDATED:
                raise update.update_failed(
                    self._connection,
                    stack,
                    self._remains(stack),
                    events,
                    types=_types(request.template),
                )

    def delete_stack(
        self, name_or_id: str, *, deadline: Deadline, on_event: OnEvent | None = None
    ) -> None:
        """Delete a stack and wait until it is gone; succeeds if there is none.

        Retries a deletion that fails, which often suffices, then removes the resources one by one.
        Raises StackFailedError, which names what is left, and PhaseTimeoutError.
        """
        with self.within(deadline):
            try:
                stack = self._stacks.known(name_or_id)
            except GoneError:
                return
            watch = self._watch(stack, on_event, from_now=True)
            for wait_s in (
                0.0,
                *islice(waits(self.poll_interval_s[0] * 4, 10.0), _DELETE_TRIES - 1),
            ):
                deadline.pause(wait_s)
                if self._delete_once(stack, watch, deadline) is None:
                    return
            mark = Mark(name=stack.name, resources=self.resource_references(stack.id))
            with suppress(CloudError):  # Heat's own error is the one to report
                self.remove_leftovers(mark, deadline=deadline)
            remaining = self._delete_once(stack, watch, deadline)
            if remaining is not None:
                raise removal_failed(remaining, self._remains(stack), watch.events)

    def _remains(self, stack: Stack) -> tuple[Resource, ...]:
        """The resources of a stack that failed; none where the cloud does not answer."""
        with suppress(CloudError):
            return self.resources(stack.id)
        return ()

    def _delete_once(self, stack: Stack, watch: Watch, deadline: Deadline) -> Stack | None:
        """Delete a stack. Returns None when it is gone, else the stack as Heat left it."""
        try:
            self._stacks.delete(stack)
            return watch.deleted(deadline)
        except GoneError:
            return None

    # What is left

    def resource_references(self, name_or_id: str) -> tuple[ResourceReference, ...]:
        """The resources that a stack has made, by id; none of a stack that is gone.

        With them go the volumes that Nova has made for its servers.
        """
        try:
            resources = self.resources(name_or_id)
        except GoneError:
            return ()
        made = [r for r in resources if r.physical_id and not r.is_adopted]
        servers = {resource.physical_id for resource in made if resource.is_server}
        return (
            *(ResourceReference(kind=resource.type, id=resource.physical_id) for resource in made),
            *volumes_of_servers(self._connection, servers),
        )

    def leftovers(self, mark: Mark, *, deadline: Deadline) -> tuple[Leftover, ...]:
        """What the cloud still has of a run; waits a moment for deletions under way."""
        leftovers: tuple[Leftover, ...] = ()
        with self.within(deadline):
            began = self._clock()
            for _ in self._poll(lambda: "the cloud to be clean", deadline):
                leftovers = find_leftovers(self._connection, mark)
                if not leftovers or self._clock() - began >= min(
                    self._going_s, deadline.seconds / 2
                ):
                    break
        return leftovers

    def remove_leftovers(self, mark: Mark, *, deadline: Deadline) -> tuple[Leftover, ...]:
        """Remove what the cloud still has of a run, one by one; returns what cannot be removed."""
        with self.within(deadline):
            return sweep(self._connection, mark, deadline, first_s=self.poll_interval_s[0] * 4)

    # Servers and key pairs

    def servers(self, stack_id: str) -> tuple[NovaServer, ...]:
        """The servers of a stack and of its nested stacks, by name and path."""
        resources = self.resources(stack_id)
        servers = nova.read_servers(self._connection, {r.physical_id: r.path for r in resources})
        floating = {r.physical_id for r in resources if r.type == nova.FLOATING_IP}
        return nova.with_floating(self._connection, servers, floating)

    def server(self, server_id: str) -> NovaServer:
        """One server as it is now: its status, and the fault of a server in ERROR.

        Raises GoneError.
        """
        return nova.read_server(self._connection, server_id)

    def console(self, server_id: str) -> str:
        """The last lines of a server's console."""
        return nova.read_console(self._connection, server_id)

    def create_keypair(self, name: str, public_key: str) -> None:
        """Import a public key; succeeds if the cloud has it already."""
        nova.create_keypair(self._connection, name, public_key)

    def delete_keypair(self, name: str) -> None:
        """Delete a key pair; succeeds if there is none."""
        nova.delete_keypair(self._connection, name)

    def keypairs(self) -> tuple[Keypair, ...]:
        """The user's key pairs."""
        return nova.read_keypairs(self._connection)

    # Waiting

    def _watch(self, stack: Stack, on_event: OnEvent | None, *, from_now: bool = False) -> Watch:
        follower = Follower(
            self._connection, stack, on_event, every_s=self._events_s, clock=self._clock
        )
        if from_now:
            follower.skip()
        return Watch(
            self._connection, self._stacks, stack, follower, poll_interval_s=self.poll_interval_s
        )

    def _poll(self, what: Callable[[], str], deadline: Deadline) -> Iterable[int]:
        first_s, ceiling_s = self.poll_interval_s
        return deadline.poll(what, first_s=first_s, ceiling_s=ceiling_s)


def _types(template: Mapping[str, Any]) -> Mapping[str, str]:
    """The types of a template's resources, by name."""
    return {name: str(entry["type"]) for name, entry in (template.get("resources") or {}).items()}
