"""Which server has which role, and which specs test it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from infraci.model.fields import EVERY_SERVER, THE_STACK
from infraci.model.pipeline import Pipeline, ServersDefinition


def role_of(name: str, metadata: Mapping[str, object], servers: ServersDefinition) -> str:
    """A server's role: by its name, else by its metadata; empty if it has none."""
    for role, definition in servers.roles.items():
        if any(fnmatchcase(name, pattern) for pattern in definition.names):
            return role
    return str(metadata.get(servers.role_metadata) or "")


def user_of(role: str, servers: ServersDefinition) -> str:
    """Return the name of the user with whom infraci logs in to servers of a role."""
    definition = servers.roles.get(role)
    return (definition.user if definition else None) or servers.user


def specs_for(role: str, pipeline: Pipeline) -> tuple[PurePosixPath, ...]:
    """The specs that test a server of that role: those of all roles, then the role's own."""
    return _for(role, pipeline.specs)


def stack_specs(pipeline: Pipeline) -> tuple[PurePosixPath, ...]:
    """The specs that test the stack itself."""
    return pipeline.specs.get(THE_STACK, ())


def serverspec_for(role: str, pipeline: Pipeline) -> tuple[PurePosixPath, ...]:
    """The Serverspec specs of a server, by its role."""
    return _for(role, pipeline.serverspec)


def is_verified(role: str, pipeline: Pipeline) -> bool:
    """Whether any spec tests a server of that role."""
    return bool(specs_for(role, pipeline) or serverspec_for(role, pipeline))


def _for(role: str, specs: Mapping[str, tuple[PurePosixPath, ...]]) -> tuple[PurePosixPath, ...]:
    own = specs.get(role, ()) if role else ()
    return tuple(dict.fromkeys((*specs.get(EVERY_SERVER, ()), *own)))


def required_roles(pipeline: Pipeline) -> dict[str, str]:
    """The roles that need a server, and the key path that says so."""
    no_roles = (EVERY_SERVER, THE_STACK)
    roles = {role: f"specs.{role}" for role in pipeline.specs if role not in no_roles}
    for role in pipeline.serverspec:
        if role != EVERY_SERVER:
            roles.setdefault(role, f"serverspec.{role}")
    for number, step in enumerate(pipeline.configure):
        kind = step.title.partition(" ")[0]
        for role in step.roles:
            roles.setdefault(role, f"configure[{number}].{kind}.roles")
    if pipeline.servers.bastion:
        roles.setdefault(pipeline.servers.bastion, "servers.bastion")
    return roles
