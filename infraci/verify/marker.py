"""Reads ``@pytest.mark.infraci(…)``: which servers a test is for, and of which stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from infraci.model.problem import near, quoted
from infraci.verify.stack_view import Plan, PlannedServer

NAME = "infraci"
#: How long a stack of a module's own stands.
SCOPES = ("module", "session")
_EXAMPLE = 'such as role="web", server="web-*" or stack="PIPELINE"'


class MisuseError(Exception):
    """A misused marker; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The servers and the stack that a test's markers choose together."""

    roles: tuple[tuple[str, ...], ...] = ()  # one of each
    servers: tuple[tuple[str, ...], ...] = ()  # patterns; one of each
    stack: str = ""  # the pipeline whose stack is the module's own
    scope: str = "module"

    def of(self, plan: Plan, servers: Sequence[PlannedServer]) -> tuple[PlannedServer, ...]:
        """The chosen ones among servers; raises MisuseError if the plan has none of them.

        Of a stack without servers a test chooses none, unless its markers ask for one.
        """
        chosen = tuple(server for server in servers if self._takes(server))
        if not chosen and (plan.servers or self.roles or self.servers):
            self._explain(plan)
        return chosen

    def _takes(self, server: PlannedServer) -> bool:
        return all(server.role in roles for roles in self.roles) and all(
            any(fnmatchcase(n, p) for n in (server.name, server.path) for p in patterns)
            for patterns in self.servers
        )

    def _explain(self, plan: Plan) -> None:
        """Raise MisuseError with the reason why no server is chosen."""
        present = sorted({server.role for server in plan.servers} - {""})
        have = f"its servers have {quoted(present, 'and')}" if present else "its servers have none"
        for role in (role for roles in self.roles for role in roles):
            if role in plan.roles and role not in present:
                raise MisuseError(f'no server of {plan.title} has the role "{role}": {have}')
            if role not in present:
                meant = near(role, present)
                advice = f'; did you mean "{meant}"?' if meant else ""
                raise MisuseError(f'{plan.title} has no role "{role}": {have}{advice}')
        if any(self._takes(server) for server in plan.servers):
            raise MisuseError(
                f"none of the servers that {plan.title} has these specs for is chosen: its "
                "`specs:` and the marker speak of different roles"
            )
        names = quoted([server.name for server in plan.servers], "and")
        raise MisuseError(f"no server of {plan.title} is chosen: its servers are {names}")


def choice_of(node: pytest.Item | pytest.Collector) -> Choice:
    """Read the markers of a test, and of what it is in; raises MisuseError."""
    roles, servers = [], []
    stack, scope = "", "module"
    for holder, marker in node.iter_markers_with_node(NAME):
        arguments = _read(marker)
        if "role" in arguments:
            roles.append(_texts(arguments["role"], "role"))
        if "server" in arguments:
            servers.append(_texts(arguments["server"], "server"))
        if "stack" in arguments:
            if not isinstance(holder, pytest.Module | pytest.Package | pytest.Session):
                raise MisuseError(
                    "stack= is for a whole module: pytestmark = "
                    f'pytest.mark.infraci(stack="{arguments["stack"]}")'
                )
            if not stack:
                (stack,) = _texts(arguments["stack"], "stack", several=False)
                (scope,) = _texts(arguments.get("scope", scope), "scope", several=False)
    if scope not in SCOPES:
        raise MisuseError(f'scope="{scope}" is none: there are {quoted(SCOPES, "and")}')
    return Choice(roles=tuple(roles), servers=tuple(servers), stack=stack, scope=scope)


def _read(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args:
        raise MisuseError(f"its arguments need their names, {_EXAMPLE}")
    known = ("role", "server", "stack", "scope")
    for name in marker.kwargs:
        if name not in known:
            meant = near(name, known)
            advice = f"; did you mean {meant}=?" if meant else f": say {_EXAMPLE}"
            raise MisuseError(f"it knows no {name}={advice}")
    if not {"role", "server", "stack"} & marker.kwargs.keys():
        what = "scope= is that of stack=" if marker.kwargs else "it has no arguments"
        raise MisuseError(f"{what}: say which servers, {_EXAMPLE}")
    if "scope" in marker.kwargs and "stack" not in marker.kwargs:
        raise MisuseError("scope= is that of stack=, which is not there")
    return marker.kwargs


def _texts(value: object, name: str, *, several: bool = True) -> tuple[str, ...]:
    values = tuple(value) if several and isinstance(value, list | tuple) else (value,)
    texts = tuple(text for text in values if isinstance(text, str) and text)
    if not texts or len(texts) < len(values):
        kind = "a text, or a list of them" if several else "a text"
        raise MisuseError(f"{name}= takes {kind}, not {value!r}")
    return texts
