"""Logins to a stack's servers: the way to each, and the wait until it can be logged in to."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from infraci.base.deadline import Deadline, duration
from infraci.base.mask import Masker
from infraci.base.parallel import in_parallel
from infraci.diagnosis.phase_testcase import failed_testcase, phase_testcase
from infraci.errors import (
    CloudError,
    InfraciError,
    InterruptedRunError,
    PhaseTimeoutError,
    UnreachableError,
)
from infraci.heat import LOCAL, ExistsError, NovaServer, ServerAddress
from infraci.model.pipeline import Pipeline
from infraci.model.project import AccessDefinition, AddressKind, BastionDefinition, HostKeySource
from infraci.model.run import READY, Bastion, Phase, Server, Testcase
from infraci.model.server_names import aliases, distinct_names
from infraci.pipeline.run import Run
from infraci.pipeline.server_health import GuestError, LockedOutError, Lockout, ServerHealth
from infraci.plan.roles import role_of, user_of
from infraci.ssh import HostKeyError, host_keys_from_console, shown_host_key

#: The kinds of addresses that a pipeline accepts, the best first.
_KINDS = {
    None: ("access", "floating", "fixed"),
    AddressKind.FLOATING: ("floating",),
    AddressKind.FIXED: ("fixed",),
}
#: One try takes no longer than this: a server that boots has no time for an SSH handshake.
_TRY_S = 30.0
#: An error that lasts longer than this is more than a boot, and is shown to the user.
_BOOT_S = 10.0
#: The waits for all servers together try no oftener: tries take CPU time from booting servers.
_TOGETHER_S = 0.04
#: After so many tries, or seconds, checks whether the server is still alive.
_LOOK_EVERY = 3
_LOOK_S = 5.0
#: The testcase of a server that boots and can be logged in to.
_BOOT = "boot"

# The way to each server


def assign(
    nova_servers: Sequence[NovaServer], pipeline: Pipeline, access: AccessDefinition
) -> tuple[Server, ...]:
    """Give each server its name and alias, its role, who logs in, and the way to it.

    With a bastion among the servers, it is reached as ``access`` says, and the others through
    it. Raises CloudError for a server without such an address.
    """
    names = distinct_names(
        [nova_server.name for nova_server in nova_servers],
        [nova_server.path for nova_server in nova_servers],
    )
    unaliased = [
        _server(nova_server, name, pipeline)
        for nova_server, name in zip(nova_servers, names, strict=True)
    ]
    servers, jump_host = _with_aliases(unaliased, _jump_host(access.bastion))
    pairs = list(zip(nova_servers, servers, strict=True))
    role = pipeline.servers.bastion
    bastion_pair = next(
        ((nova_server, server) for nova_server, server in pairs if role and server.role == role),
        None,
    )
    if bastion_pair is None:
        return tuple(
            _directly(nova_server, server, access, jump_host) for nova_server, server in pairs
        )
    first = _directly(*bastion_pair, access, jump_host)
    jump = Bastion(
        name=first.name,
        alias=first.alias,
        user=first.user,
        address=first.address,
        bastion=first.bastion,
    )
    near = {address.network for address in bastion_pair[0].addresses} - {""}
    return tuple(
        _directly(nova_server, server, access, jump_host)
        if server.role == role
        else _at(server, _choose(nova_server, AddressKind.FIXED, near=near), jump)
        for nova_server, server in pairs
    )


def _with_aliases(
    servers: Sequence[Server], jump_host: Bastion | None
) -> tuple[list[Server], Bastion | None]:
    """Give all hosts of one ssh_config their aliases."""
    names = [server.name for server in servers] + ([jump_host.name] if jump_host else [])
    decided = aliases(names, [server.role for server in servers])
    named = [replace(s, alias=alias) for s, alias in zip(servers, decided, strict=False)]
    return named, replace(jump_host, alias=decided[-1]) if jump_host else None


def _directly(
    nova_server: NovaServer, server: Server, access: AccessDefinition, jump_host: Bastion | None
) -> Server:
    return _at(server, _choose(nova_server, access.address), jump_host)


def _at(server: Server, address: ServerAddress, bastion: Bastion | None) -> Server:
    return replace(server, address=address.address, address_kind=address.kind, bastion=bastion)


def _server(nova_server: NovaServer, name: str, pipeline: Pipeline) -> Server:
    role = role_of(nova_server.name, nova_server.metadata, pipeline.servers)
    user = user_of(role, pipeline.servers)
    return Server(name=name, id=nova_server.id, role=role, user=user, address="")


def _choose(
    server: NovaServer, required: AddressKind | None, *, near: Collection[str] = ()
) -> ServerAddress:
    """The best of its addresses; of several fixed ones, one in a network that is near."""
    for kind in _KINDS[required]:
        addresses = [address for address in server.addresses if address.kind == kind]
        if addresses:
            return next((address for address in addresses if address.network in near), addresses[0])
    if not server.addresses:
        raise CloudError(
            f"cannot log in to {server.name}: it has no address",
            hint="is it in a network, and if need be given a floating IP?",
        )
    have = ", ".join(f"{address.address} ({address.kind})" for address in server.addresses)
    raise CloudError(
        f"cannot log in to {server.name}: it has no {required} address, only {have}",
        hint="give it a floating IP, or name a bastion (servers: bastion) in the pipeline"
        if required is AddressKind.FLOATING
        else "is it in a network?",
    )


def _jump_host(definition: BastionDefinition | None) -> Bastion | None:
    """A jump host that is none of the stack's servers, if the project names one."""
    if definition is None:
        return None
    key = Path(os.path.expandvars(definition.key)).expanduser()
    return Bastion(
        name=definition.address,
        user=definition.user,
        address=definition.address,
        port=definition.port,
        host_keys=definition.host_keys,
        private_key=str(key),
    )


# The wait for each server


def log_in_to_all(run: Run, servers: Sequence[Server], deadline: Deadline) -> tuple[Server, ...]:
    """Learn each server's host keys and log in, all at once; bastions among them first.

    Returns the servers with their keys; the record says from where these are known. Raises
    GuestError for one that does not come up in time, at once for one that is dead, LockedOutError
    for one that is up and refuses logins, :class:`~infraci.ssh.HostKeyError`, and
    :class:`~infraci.heat.TransientCloudError` when the cloud is lost, whatever the servers do.
    """
    jumps = {server.bastion.name for server in servers if server.bastion}
    ready = _log_in(run, [server for server in servers if server.name in jumps], deadline)
    host_keys = {server.name: server.host_keys for server in ready}
    behind = [_through(server, host_keys) for server in servers if server.name not in jumps]
    ready += _log_in(run, behind, deadline)
    names = [server.name for server in servers]
    run.state.save(replace(run.state.record, host_keys=_how_known(run, ready)))
    return tuple(sorted(ready, key=lambda server: names.index(server.name)))


def _how_known(run: Run, servers: Sequence[Server]) -> str:
    """The source of the servers' host keys, for the record and the report."""
    source = run.state.site.host_keys
    if source is not HostKeySource.INJECTED:
        return str(source)
    injected = _injected_keys(run)
    by_console = [server.name for server in servers if server.host_keys != injected]
    return f"{source}, console for {', '.join(by_console)}" if by_console else str(source)


def _injected_keys(run: Run) -> tuple[str, ...]:
    """The host key that the run injects, as servers show it."""
    return (" ".join(run.key(run.folder.host_key).public.split()[:2]),)


def _through(server: Server, host_keys: dict[str, tuple[str, ...]]) -> Server:
    """The server, its bastion's host keys filled in if that is one of the stack's."""
    if server.bastion is None or server.bastion.name not in host_keys:
        return server
    return replace(
        server, bastion=replace(server.bastion, host_keys=host_keys[server.bastion.name])
    )


def _log_in(run: Run, servers: Sequence[Server], deadline: Deadline) -> list[Server]:
    ready: list[Server] = []
    errors: list[Exception] = []
    boots: list[Testcase] = []
    waits = [_Wait(run, server, among=len(servers)) for server in servers]
    results = in_parallel(lambda wait: wait.log_in(deadline), waits)
    for server, result in zip(servers, results, strict=True):
        if isinstance(result, Exception):
            errors.append(result)
        else:
            ready.append(result)
        boots += _boot(server, result, run.state.masker)
    run.state.add_testcases(boots)
    if errors:
        raise _together(errors)
    return ready


def _boot(server: Server, result: Server | Exception, masker: Masker) -> Iterator[Testcase]:
    """The testcase of a server's boot; none where the run was interrupted or has a bug."""
    if isinstance(result, Server):
        yield phase_testcase(Phase.PROVISION, _BOOT, server=server)
    elif isinstance(result, InfraciError) and not isinstance(result, InterruptedRunError):
        yield failed_testcase(Phase.PROVISION, _BOOT, result, masker, server=server)


class _Wait:
    """The wait for one server; ``among`` is how many are waited for at once."""

    def __init__(self, run: Run, server: Server, *, among: int) -> None:
        self._run = run
        self._server = server
        self._health = ServerHealth(run.drivers.cloud, server)
        self._lockout = Lockout(server, self._health, is_near=run.drivers.cloud.name == LOCAL)
        self._host_key_source = run.state.site.host_keys
        first_s, ceiling_s = run.drivers.cloud.poll_interval_s
        self._pace = (first_s, max(ceiling_s, _TOGETHER_S * among))
        self._is_final = False  # whether another key than the expected ones is an error at once
        self._is_tried = False  # whether the last try has come as far as the server
        self._last_status = self._last_note = ""

    def log_in(self, deadline: Deadline) -> Server:
        """Retry until the server has booted; raises at once what no retry mends."""
        if self._run.sessions.has(self._server):  # an update left it as it was
            return self._server
        name, begun_s = self._server.name, deadline.remaining_s
        first_s, ceiling_s = self._pace
        looked_s = 0.0
        last_error: UnreachableError | None = None
        through = f" through {self._server.bastion.name}" if self._server.bastion else ""
        address = f"{self._server.address} ({self._server.address_kind})"
        self._show_status(f"waiting for it at {address}{through}")
        try:
            for attempt in deadline.poll(
                f"a login to {name}", first_s=first_s, ceiling_s=ceiling_s
            ):
                try:
                    return self._try(last_error, deadline.within(_TRY_S))
                except UnreachableError as error:
                    if isinstance(error, HostKeyError) and self._is_final:
                        raise
                    last_error = error
                    self._lockout.check_unanswered(error)
                waited_s = begun_s - deadline.remaining_s
                if waited_s > _BOOT_S:
                    self._show_status(f"booting: {last_error.message}")
                    self._note(last_error.message)
                else:
                    self._show_status("booting")
                if attempt % _LOOK_EVERY == _LOOK_EVERY - 1 or waited_s - looked_s >= _LOOK_S:
                    looked_s = waited_s
                    self._health.check()
                    self._lockout.check(last_error, waited_s, is_tried=self._is_tried)
        except PhaseTimeoutError as error:
            if last_error is None:
                raise
            raise self._too_late(last_error, deadline.seconds) from error
        raise AssertionError("poll() ends only by an exception")

    def _try(self, last_error: UnreachableError | None, timeout_s: float) -> Server:
        self._is_tried = True
        server = replace(self._server, host_keys=self._host_keys(last_error, timeout_s))
        session = self._run.drivers.log_in(
            server, private_key=self._run.folder.login_key, timeout_s=timeout_s
        )
        self._run.sessions.add(server, session)
        self._show_status(READY)
        return server

    def _host_keys(self, last_error: UnreachableError | None, timeout_s: float) -> tuple[str, ...]:
        """The keys of which one has to be shown. Raises UnreachableError while none is known.

        Where another one than was expected has been shown, the console decides: a server may
        have been rebuilt, or a guest may not have taken the key that it was given.
        """
        expected = self._server.host_keys  # of one that was logged in to before an update
        if self._host_key_source is HostKeySource.INJECTED and not expected:
            expected = _injected_keys(self._run)
        if self._host_key_source is HostKeySource.UNVERIFIED:
            return (self._shown_host_key(timeout_s),)
        self._is_final = not expected or isinstance(last_error, HostKeyError)
        return self._printed_host_keys(timeout_s) if self._is_final else expected

    def _shown_host_key(self, timeout_s: float) -> str:
        key = self._run.folder.login_key
        return shown_host_key(self._server, private_key=key, timeout_s=timeout_s)

    def _printed_host_keys(self, timeout_s: float) -> tuple[str, ...]:
        self._is_tried = False
        try:
            keys = host_keys_from_console(self._health.console())
        except ExistsError as error:  # Nova's 409: it is not there yet
            raise UnreachableError(error.message, hint=error.hint) from error
        self._is_tried = True
        if not keys:
            if self._lockout.is_up:  # is it there at all? where not, this says so
                self._shown_host_key(timeout_s)
            self._is_tried = False
            raise UnreachableError(
                f"cannot log in to {self._server.name}: its console shows no SSH host keys",
                hint="cloud-init prints them; does the image have it, and did it get that far?",
            )
        return keys

    def _show_status(self, text: str) -> None:
        if text != self._last_status:
            self._last_status = text
            self._run.drivers.progress.server(self._server.name, text)

    def _note(self, text: str) -> None:
        if text != self._last_note:
            self._last_note = text
            self._run.drivers.progress.note(f"{self._server.name} still boots: {text}")

    def _too_late(self, last_error: UnreachableError, waited_s: float) -> UnreachableError:
        """The last error, with what may explain it."""
        with suppress(CloudError):
            self._health.check()
        hint = last_error.hint or "is the server's network up, and its port 22 open?"
        server = self._server
        if server.address_kind == "fixed" and server.bastion is None:
            hint = (
                f"it has only a fixed address, {server.address}, which may not be reached from "
                "here; give it a floating IP, or name a bastion (servers: bastion)"
            )
        message = f"{last_error.message} (for {duration(waited_s)})"
        return GuestError(message, hint=hint, details=self._health.last_lines())


def _together(errors: Sequence[Exception]) -> Exception:
    """The first error, or the first that blames the commit, with the others in its details."""
    first, *others = sorted(errors, key=lambda error: not isinstance(error, LockedOutError))
    if others and isinstance(first, InfraciError):
        rest = "\n".join(str(error) for error in others)
        first.details = f"{first.details}\n\nand:\n{rest}".strip()
    return first
