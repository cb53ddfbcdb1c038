"""How each server of a stack is reached: as whom, at which address, through which bastion."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from infraci.errors import CloudError
from infraci.heat import NovaServer, ServerAddress
from infraci.model.pipeline import Pipeline
from infraci.model.project import AccessDefinition, AddressKind, BastionDefinition
from infraci.model.run import Bastion, Server
from infraci.model.server_names import aliases, distinct_names
from infraci.plan.roles import role_of, user_of

#: The kinds of addresses that a pipeline accepts, the best first.
_KINDS = {
    None: ("access", "floating", "fixed"),
    AddressKind.FLOATING: ("floating",),
    AddressKind.FIXED: ("fixed",),
}


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
