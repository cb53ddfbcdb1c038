"""How each server of a stack is reached: as whom, at which address, through which bastion."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from infraci.errors import CloudError
from infraci.heat import Address, NovaServer
from infraci.model.pipeline import Pipeline
from infraci.model.project import AccessDefinition, AddressKind, BastionDefinition
from infraci.model.run import Bastion, Server
from infraci.model.server_names import aliases, distinct_names
from infraci.plan.roles import role_of, user_of

#: Which kinds of addresses do, the best first.
_KINDS = {
    None: ("access", "floating", "fixed"),
    AddressKind.FLOATING: ("floating",),
    AddressKind.FIXED: ("fixed",),
}


def assign(
    found: Sequence[NovaServer], pipeline: Pipeline, access: AccessDefinition
) -> tuple[Server, ...]:
    """Give each server its name and alias, its role, who logs in, and the way to it.

    With a bastion among the servers, it is reached as ``access`` says, and the others through
    it. Raises CloudError for a server without such an address.
    """
    names = distinct_names([one.name for one in found], [one.path for one in found])
    unaliased = [_server(one, name, pipeline) for one, name in zip(found, names, strict=True)]
    servers, outside = _with_aliases(unaliased, _outside(access.bastion))
    pairs = list(zip(found, servers, strict=True))
    role = pipeline.servers.bastion
    gate = next(((one, server) for one, server in pairs if role and server.role == role), None)
    if gate is None:
        return tuple(_directly(one, server, access, outside) for one, server in pairs)
    first = _directly(*gate, access, outside)
    jump = Bastion(
        name=first.name,
        alias=first.alias,
        user=first.user,
        address=first.address,
        bastion=first.bastion,
    )
    near = {address.network for address in gate[0].addresses} - {""}
    return tuple(
        _directly(one, server, access, outside)
        if server.role == role
        else _at(server, _choose(one, AddressKind.FIXED, near=near), jump)
        for one, server in pairs
    )


def _with_aliases(
    servers: Sequence[Server], outside: Bastion | None
) -> tuple[list[Server], Bastion | None]:
    """Decide the aliases of all that stand in one ssh_config."""
    names = [server.name for server in servers] + ([outside.name] if outside else [])
    decided = aliases(names, [server.role for server in servers])
    named = [replace(s, alias=alias) for s, alias in zip(servers, decided, strict=False)]
    return named, replace(outside, alias=decided[-1]) if outside else None


def _directly(
    found: NovaServer, server: Server, access: AccessDefinition, outside: Bastion | None
) -> Server:
    return _at(server, _choose(found, access.address), outside)


def _at(server: Server, address: Address, bastion: Bastion | None) -> Server:
    return replace(server, address=address.address, address_kind=address.kind, bastion=bastion)


def _server(found: NovaServer, name: str, pipeline: Pipeline) -> Server:
    role = role_of(found.name, found.metadata, pipeline.servers)
    user = user_of(role, pipeline.servers)
    return Server(name=name, id=found.id, role=role, user=user, address="")


def _choose(
    server: NovaServer, wanted: AddressKind | None, *, near: Collection[str] = ()
) -> Address:
    """The best of its addresses; of several fixed ones, one in a network that is near."""
    for kind in _KINDS[wanted]:
        found = [address for address in server.addresses if address.kind == kind]
        if found:
            return next((address for address in found if address.network in near), found[0])
    if not server.addresses:
        raise CloudError(
            f"cannot log in to {server.name}: it has no address",
            hint="is it in a network, and if need be given a floating IP?",
        )
    have = ", ".join(f"{address.address} ({address.kind})" for address in server.addresses)
    raise CloudError(
        f"cannot log in to {server.name}: it has no {wanted} address, only {have}",
        hint="give it a floating IP, or name a bastion (servers: bastion) in the pipeline"
        if wanted is AddressKind.FLOATING
        else "is it in a network?",
    )


def _outside(said: BastionDefinition | None) -> Bastion | None:
    """A jump host that is none of the stack's servers, if the project names one."""
    if said is None:
        return None
    key = Path(os.path.expandvars(said.key)).expanduser()
    return Bastion(
        name=said.address,
        user=said.user,
        address=said.address,
        port=said.port,
        host_keys=said.host_keys,
        private_key=str(key),
    )
