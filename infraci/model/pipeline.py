"""A pipeline: which stack, which servers, how they are configured, which specs test them.

The classes are both the values that the other rooms work with and the format of the file:
descriptions, aliases and types here are what the decoder enforces and the JSON Schema shows.
Paths are relative to the repository's top; durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BeforeValidator, Field

from infraci.model.configure_steps import ConfigureStep, EnvironmentVariables
from infraci.model.fields import (
    USER_SCHEMA,
    DeclaredRole,
    FilePath,
    Flag,
    ParameterValue,
    RoleName,
    Seconds,
    ServerspecPath,
    SpecPath,
    Text,
    UserName,
    choice,
)
from infraci.model.section import Section, never_null


class DestroyPolicy(StrEnum):
    """When a run's stack is destroyed at its end."""

    ALWAYS = "always"
    PASSING = "passing"
    NEVER = "never"


class Schedule(StrEnum):
    """When a CI engine takes a pipeline."""

    COMMIT = "commit"
    HOURLY = "hourly"
    NIGHTLY = "nightly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts(Section):
    """How long each phase may take."""

    provision_s: Annotated[
        Seconds,
        Field(
            alias="provision",
            description="From asking Heat for the stack until every server can be logged in to.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0
    update_s: Annotated[
        Seconds,
        Field(
            alias="update",
            description="Of an upgrade: from asking Heat for the update until every server can be "
            "logged in to, or until it has been rolled back.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0
    configure_s: Annotated[
        Seconds,
        Field(
            alias="configure",
            description="All configure steps together.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0
    verify_s: Annotated[
        Seconds,
        Field(
            alias="verify",
            description="The specs, on all servers at once.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0
    destroy_s: Annotated[
        Seconds,
        Field(
            alias="destroy",
            description="Deleting the stack.",
            json_schema_extra={"default": "5m"},
        ),
    ] = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackDefinition(Section):
    """The Heat stack that a run stands up."""

    template: Annotated[
        FilePath,
        Field(
            description="The HOT template, TOSCA template or CSAR archive; its content says which."
        ),
    ]
    environments: Annotated[
        tuple[FilePath, ...],
        Field(description="Heat environments, in order; a later one wins over an earlier one."),
    ] = ()
    parameters: Annotated[
        Mapping[str, ParameterValue],
        Field(
            description="Values for the template's parameters; they win over the environments'. "
            "Numbers and booleans reach Heat as they are written here."
        ),
    ] = field(default_factory=dict)
    files: Annotated[
        Mapping[str, FilePath],
        Field(
            description="Extra entries of Heat's files: a name that get_file uses, and the file. "
            "Only needed for names that the template computes."
        ),
    ] = field(default_factory=dict)
    allow_remote: Annotated[
        Flag,
        Field(description="Whether templates may name files by http:// and https://."),
    ] = False
    key_parameter: Annotated[
        Text,
        Field(
            description="The template parameter that takes the name of the run's key pair, "
            "if the template declares it and nothing else gives it a value.",
        ),
    ] = "key_name"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDefinition(Section):
    """Which servers have a role, and how to log in to them."""

    names: Annotated[
        tuple[Text, ...],
        Field(
            description="Patterns (*, ?, [...]) of Nova server names; they win over metadata.",
            examples=[["*-web-*", "web?"]],
        ),
    ] = ()
    user: Annotated[
        UserName | None,
        USER_SCHEMA,
        Field(
            description="Who logs in to these servers, in place of servers.user.",
            json_schema_extra=never_null,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServersDefinition(Section):
    """Who logs in to the stack's servers, and which server has which role."""

    user: Annotated[UserName, Field(description="Who logs in by SSH, with password-less sudo.")] = (
        "debian"
    )
    role_metadata: Annotated[
        Text, Field(description="The key of a server's Nova metadata that holds its role.")
    ] = "role"
    roles: Annotated[
        Mapping[DeclaredRole, RoleDefinition],
        Field(
            description="Roles by server name, where metadata does not say it, "
            "or with a user of their own."
        ),
    ] = field(default_factory=dict)
    bastion: Annotated[
        DeclaredRole | None,
        Field(
            description="The role of the server through which the others are reached, at their "
            "fixed addresses.",
            json_schema_extra=never_null,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeDefinition(Section):
    """Stand the stack up at an earlier commit, and update it to the commit under test."""

    from_revision: Annotated[
        Text | None,
        Field(
            alias="from",
            description="The commit to upgrade from: a revision, or a branch, which means the "
            "merge base with it; without it, the first parent of the commit under test.",
            json_schema_extra=never_null,
        ),
    ] = None
    no_replace: Annotated[
        tuple[Text, ...],
        Field(
            description="Patterns (*, ?, [...]) of resources that the update must not replace, "
            "rebuild or remove; those of nested stacks are dotted.",
            examples=[["database", "app_servers.*"]],
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixDefinition(Section):
    """The same pipeline several times, each time with other values: every combination is a cell."""

    images: Annotated[
        tuple[Text, ...], Field(description="Values for the template's parameter `image`.")
    ] = ()
    environments: Annotated[
        tuple[FilePath, ...],
        Field(description="Heat environments, one a cell, after those of the stack."),
    ] = ()
    clouds: Annotated[
        tuple[Text, ...], Field(description="Clouds of clouds.yaml, in place of --cloud.")
    ] = ()
    parameters: Annotated[
        Mapping[str, Annotated[tuple[ParameterValue, ...], Field(min_length=1)]],
        Field(
            description="Values for the template's parameters, by name.",
            examples=[{"flavor": ["m1.small", "m1.large"]}],
        ),
    ] = field(default_factory=dict)
    exclude: Annotated[
        tuple[Mapping[str, Text], ...],
        Field(
            description="Combinations to leave out: `image`, `environment`, `cloud` or a "
            "parameter, and its value.",
            examples=[[{"image": "debian-13", "environment": "stacks/env/small.yaml"}]],
        ),
    ] = ()
    include: Annotated[
        tuple[Annotated[Mapping[str, Text], Field(min_length=1)], ...],
        Field(description="Cells besides the combinations, of the same keys."),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineDefinition(Section):
    """What a pipeline file says."""

    description: Annotated[Text, Field(description="What it proves, for people.")] = ""
    voting: Annotated[
        Flag,
        Field(description="Whether its failure fails the commit; otherwise it is only reported."),
    ] = True
    schedule: Annotated[
        tuple[Annotated[Schedule, BeforeValidator(choice(Schedule))], ...],
        Field(
            min_length=1,
            description="When CI takes it: for every commit, which is the default, or the newest "
            "one hourly or nightly.",
        ),
    ] = (Schedule.COMMIT,)
    destroy: Annotated[
        DestroyPolicy,
        BeforeValidator(choice(DestroyPolicy)),
        Field(description="When the stack is destroyed at the end: never leaves it to look at."),
    ] = DestroyPolicy.ALWAYS
    expires_s: Annotated[
        Seconds,
        Field(
            alias="expires",
            description="How old the stack may become before `infraci gc` removes it.",
            json_schema_extra={"default": "4h"},
        ),
    ] = 14400.0
    timeouts: Annotated[Timeouts, Field(description="How long each phase may take.")] = field(
        default_factory=Timeouts
    )
    stack: Annotated[StackDefinition, Field(description="The Heat stack that is stood up.")]
    servers: Annotated[
        ServersDefinition, Field(description="How to log in to servers, and their roles.")
    ] = field(default_factory=ServersDefinition)
    configure: Annotated[
        tuple[ConfigureStep, ...],
        Field(description="What is done to the servers before the specs, in order."),
    ] = ()
    idempotence: Annotated[
        Flag,
        Field(
            description="Whether the servers are configured twice, and the commit fails if the "
            "second time changes anything."
        ),
    ] = False
    environment: Annotated[
        EnvironmentVariables,
        Field(description="Environment variables of all specs, besides the few that they inherit."),
    ] = field(default_factory=dict)
    specs: Annotated[
        Mapping[RoleName, Annotated[tuple[SpecPath, ...], Field(min_length=1)]],
        Field(
            min_length=1,
            description="Spec files or directories by role; `all` is every server, and `stack` the "
            "stack itself.",
            examples=[{"all": ["specs/common"], "web": ["specs/web/test_http.py"]}],
        ),
    ] = field(default_factory=dict)
    serverspec: Annotated[
        Mapping[RoleName, Annotated[tuple[ServerspecPath, ...], Field(min_length=1)]],
        Field(
            min_length=1,
            description="Serverspec files or directories by role; `all` is every server.",
            examples=[{"all": ["serverspec/spec/common"]}],
        ),
    ] = field(default_factory=dict)
    upgrade: Annotated[
        UpgradeDefinition | None,
        Field(
            description="Test the stack's update from an earlier commit, not a new stack.",
            json_schema_extra=never_null,
        ),
    ] = None
    matrix: Annotated[
        MatrixDefinition | None,
        Field(
            description="Run it once for each combination of these.",
            json_schema_extra=never_null,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline(PipelineDefinition):
    """A pipeline of a tree."""

    name: str  # the file's, without .yaml
    path: PurePosixPath  # the file, relative to the repository's top
    cell: tuple[str, ...] = ()  # of a matrix: its labels, which are in the name as well
    cloud: str = ""  # that a matrix asks for; empty: whichever the command line names
