"""The stack as specs see it: as a :class:`Plan` before it is made, then as a :class:`Stack`.

The stack is read from a file in the run's folder, without a cloud.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infraci.base.atomic import replace_file
from infraci.base.json_reader import read_json
from infraci.errors import UsageError, raise_of_machine
from infraci.ledger.run_folder import RunFolder
from infraci.model.fields import THE_STACK
from infraci.model.run import Server
from infraci.verify.task import server_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResource:
    """A resource of the stack, or of one nested in it."""

    type: str  # "OS::Neutron::Net"
    status: str  # "CREATE_COMPLETE"
    physical_id: str  # the cloud's


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that stands: the fixture ``infraci_stack``."""

    run: str
    pipeline: str
    cloud: str
    name: str
    id: str
    outputs: Mapping[str, Any]  # as Heat has them; hidden ones are masked
    resources: Mapping[str, StackResource]  # by path: "app_servers.0"
    servers: tuple[Server, ...]
    clouds_yaml: str = ""  # the file that describes the cloud; empty where only variables do

    def as_planned(self) -> tuple[PlannedServer, ...]:
        """The servers as a plan would have had them."""
        paths = {resource.physical_id: path for path, resource in self.resources.items()}
        return tuple(
            PlannedServer(name=server.name, path=paths.get(server.id, ""), role=server.role)
            for server in self.servers
        )

    def write(self, folder: RunFolder) -> None:
        """Write it into the run's folder; only its owner may read it."""
        replace_file(folder.stack, json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, folder: RunFolder) -> Stack:
        """What :meth:`write` wrote; raises UsageError where there is nothing."""
        try:
            fields = read_json(folder.stack.read_bytes())
            return cls(
                **{
                    **fields,
                    "resources": {p: StackResource(**r) for p, r in fields["resources"].items()},
                    "servers": tuple(server_from_json(server) for server in fields["servers"]),
                }
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise_of_machine(error)
            reason = getattr(error, "strerror", None) or f"it is no stack ({error})"
            raise UsageError(
                f"cannot read the stack of run {folder.path.name}: {folder.stack}: {reason}",
                hint="a run has it when its servers can be logged in to",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServer:
    """A server that the stack will have."""

    name: str  # in the names of its tests
    path: str  # its resource's
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is known of a stack before it is made; travels as JSON."""

    pipeline: str
    title: str  # "pipeline web on local"
    root: Path  # the repository's top
    servers: tuple[PlannedServer, ...]
    roles: tuple[str, ...]  # that the pipeline names, with or without servers
    specs: Mapping[str, tuple[str, ...]]  # by role, relative to the root; "" is every server's
    verify_s: float  # how long the verify phase may take

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**dataclasses.asdict(self), "root": str(self.root)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Plan:
        """What :meth:`to_json` made."""
        return cls(
            **{
                **fields,
                "root": Path(fields["root"]),
                "servers": tuple(PlannedServer(**server) for server in fields["servers"]),
                "roles": tuple(fields["roles"]),
                "specs": {role: tuple(paths) for role, paths in fields["specs"].items()},
            }
        )

    def servers_for(self, file: Path) -> tuple[PlannedServer, ...]:
        """The servers of the roles that the pipeline has the spec for; else all.

        A spec of the stack itself may look at all.
        """
        roles = {role for role, paths in self.specs.items() if _is_in(file, self.root, paths)}
        if not roles or roles & {"", THE_STACK}:
            return self.servers
        return tuple(server for server in self.servers if server.role in roles)


def _is_in(file: Path, root: Path, paths: Sequence[str]) -> bool:
    return any(file.is_relative_to(root / path) for path in paths)


def find_server(stack: Stack, planned: PlannedServer) -> Server:
    """The server that was planned; raises UsageError if the stack has none such."""
    resource = stack.resources.get(planned.path)
    for server in stack.servers:
        if resource is not None and server.id == resource.physical_id:
            return server
    for server in stack.servers:
        if server.name == planned.name:
            return server
    have = ", ".join(server.name for server in stack.servers) or "none"
    raise UsageError(
        f"cannot find server {planned.name} ({planned.path}) in the stack of run {stack.run}, "
        f"which was planned with it: its servers are {have}",
        hint="groups that name their members by chance (OS::Heat::AutoScalingGroup) cannot be "
        "known beforehand: `infraci provision`, then pytest --infraci-run RUN",
    )
