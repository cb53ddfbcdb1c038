"""A plan's values: the resources to make, what runs on which server, and the problems."""

from __future__ import annotations

from dataclasses import dataclass

from infraci.errors import ExitCode
from infraci.heat.objects import PreviewResource
from infraci.model.problem import Problem
from infraci.model.run import Commit, ResourceChange


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServer:
    """A server that the stack will have."""

    name: str  # Nova's; "…" stands for what Heat makes up
    path: str  # the resource's: "app_servers.0"
    role: str  # empty if it has none
    user: str
    image: str
    flavor: str
    networks: tuple[str, ...]
    specs: tuple[str, ...]  # the paths that the pipeline names
    spec_files: int  # that pytest would collect there


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A configure step, and the servers it is for."""

    name: str
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlan:
    """What a run of one pipeline would do."""

    name: str
    description: str = ""
    voting: bool = True
    resources: tuple[PreviewResource, ...] = ()
    servers: tuple[PlannedServer, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    stack_specs: tuple[str, ...] = ()  # the paths of specs that test the stack itself
    stack_spec_files: int = 0  # that pytest would collect there
    base: Commit | None = None  # what an upgrade would begin from
    changes: tuple[ResourceChange, ...] = ()  # what its update would do, as far as can be told
    notices: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    is_refused: bool = False  # whether one of them is Heat's, of a template that it can read
    template: str = ""  # what Heat would be sent, as YAML without secrets; if it was asked for

    @property
    def exit_code(self) -> ExitCode:
        """The exit status with which a run would end because of these problems."""
        if not self.problems:
            return ExitCode.PASSED
        return ExitCode.FAILED if self.is_refused else ExitCode.INVALID
