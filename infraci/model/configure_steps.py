"""The options of the configure steps, which change servers before the specs: one class each.

As in :mod:`infraci.model.pipeline`, these are both the values and the format of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from infraci.model.fields import (
    EVERY_SERVER,
    AnyPath,
    FilePath,
    Flag,
    FolderPath,
    JsonValue,
    RoleName,
    Seconds,
    Text,
    VariableName,
)
from infraci.model.secret import SecretValue, TextOrSecret, secrets_among
from infraci.model.section import Section, never_null
from infraci.model.steps import read_step, step_body, step_kind

_Roles = Annotated[
    tuple[RoleName, ...],
    Field(
        min_length=1,
        description="On servers with one of these roles; without it, or with `all`, "
        "on every server.",
    ),
    AfterValidator(lambda roles: () if EVERY_SERVER in roles else roles),
]
EnvironmentVariables = Annotated[
    Mapping[VariableName, TextOrSecret],
    Field(
        description="Environment variables; a value is text, or a secret: {from: VARIABLE} or "
        "{file: PATH} of the machine that runs infraci.",
        examples=[{"PORT": 8080, "TOKEN": {"from": "APP_TOKEN"}}],
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInitStep(Section):
    """Wait until cloud-init has finished on every server, and fail if it failed."""

    timeout_s: Annotated[
        Seconds,
        Field(
            alias="timeout",
            description="How long cloud-init may take.",
            json_schema_extra={"default": "5m"},
        ),
    ] = 300.0

    @property
    def title(self) -> str:
        """What plans, messages and reports call it."""
        return "cloud-init"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles whose servers it is for; none means every server."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptStep(Section):
    """Run a script of the repository on servers, over SSH; it fails if its exit status is not 0."""

    path: Annotated[FilePath, Field(description="The script, copied to the server and executed.")]
    roles: _Roles = ()
    environment: EnvironmentVariables = field(default_factory=dict)
    arguments: Annotated[tuple[Text, ...], Field(description="The script's arguments.")] = ()
    timeout_s: Annotated[
        Seconds,
        Field(
            alias="timeout",
            description="How long the script may take on one server.",
            json_schema_extra={"default": "5m"},
        ),
    ] = 300.0
    sudo: Annotated[Flag, Field(description="Whether it runs as root.")] = True
    changed_when: Annotated[
        Text,
        Field(
            description="What the script prints when it has changed something, for the "
            "pipeline's idempotence; each line that holds it counts."
        ),
    ] = ""

    @property
    def title(self) -> str:
        """What plans, messages and reports call it."""
        return f"script {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleStep(Section):
    """Run a playbook of the repository, once for all its servers, which are grouped by role."""

    playbook: Annotated[FilePath, Field(description="The playbook.")]
    roles: _Roles = ()
    variables: Annotated[
        Mapping[VariableName, JsonValue],
        Field(
            description="Extra variables, which win over all others; values keep their types.",
            examples=[{"http_port": 8080, "site": "{{ infraci_outputs.address }}"}],
        ),
    ] = field(default_factory=dict)
    environment: EnvironmentVariables = field(default_factory=dict)
    tags: Annotated[tuple[Text, ...], Field(description="Only tasks with one of these tags.")] = ()
    skip_tags: Annotated[
        tuple[Text, ...], Field(description="No tasks with one of these tags.")
    ] = ()
    roles_path: Annotated[
        tuple[FolderPath, ...],
        Field(description="Where Ansible's roles are, besides those beside the playbook."),
    ] = ()
    collections_path: Annotated[
        tuple[FolderPath, ...],
        Field(description="Where collections are: directories that hold `ansible_collections`."),
    ] = ()
    vault_password: Annotated[
        SecretValue | None,
        Field(
            description="What opens the repository's vaults: {from: VARIABLE} or {file: PATH} of "
            "the machine that runs infraci.",
            json_schema_extra=never_null,
        ),
    ] = None
    timeout_s: Annotated[
        Seconds,
        Field(
            alias="timeout",
            description="How long the playbook may take.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0
    sudo: Annotated[
        Flag, Field(description="Whether tasks run as root (become) unless they say otherwise.")
    ] = True

    @property
    def title(self) -> str:
        """What plans, messages and reports call it."""
        return f"ansible {self.playbook}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetStep(Section):
    """Apply a manifest of the repository on servers, with `puppet apply` as root."""

    manifest: Annotated[FilePath, Field(description="The manifest.")]
    roles: _Roles = ()
    modules: Annotated[
        tuple[FolderPath, ...],
        Field(description="Directories of modules (the modulepath); earlier ones win."),
    ] = ()
    hiera: Annotated[
        FilePath | None,
        Field(
            description="The hiera.yaml; list its data under `files`.",
            json_schema_extra=never_null,
        ),
    ] = None
    files: Annotated[
        tuple[AnyPath, ...],
        Field(description="What else is copied to the server, laid out as in the repository."),
    ] = ()
    environment: EnvironmentVariables = field(default_factory=dict)
    install: Annotated[
        Flag,
        Field(description="Whether Debian's puppet-agent is installed where there is no Puppet."),
    ] = True
    timeout_s: Annotated[
        Seconds,
        Field(
            alias="timeout",
            description="How long it may take on one server, the installation included.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0

    @property
    def title(self) -> str:
        """What plans, messages and reports call it."""
        return f"puppet {self.manifest}"


def _read_run_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ChefStep(Section):
    """Converge servers with cookbooks of the repository, by Chef or Cinc in local mode, as root."""

    run_list: Annotated[
        tuple[Text, ...],
        BeforeValidator(_read_run_list),
        Field(
            min_length=1,
            description="Recipes and roles, in order.",
            examples=[["role[web]", "recipe[shop::checkout]"]],
        ),
    ]
    cookbook_path: Annotated[
        tuple[FolderPath, ...],
        Field(min_length=1, description="Directories of cookbooks; later ones win."),
    ]
    role_path: Annotated[
        FolderPath | None,
        Field(description="The directory of Chef's roles.", json_schema_extra=never_null),
    ] = None
    data_bag_path: Annotated[
        FolderPath | None,
        Field(description="The directory of data bags.", json_schema_extra=never_null),
    ] = None
    roles: _Roles = ()
    attributes: Annotated[
        Mapping[Text, JsonValue],
        Field(description="Attributes of the node; values keep their types."),
    ] = field(default_factory=dict)
    environment: EnvironmentVariables = field(default_factory=dict)
    timeout_s: Annotated[
        Seconds,
        Field(
            alias="timeout",
            description="How long it may take on one server.",
            json_schema_extra={"default": "10m"},
        ),
    ] = 600.0

    @property
    def title(self) -> str:
        """What plans, messages and reports call it."""
        return f"chef {','.join(self.run_list)}"


#: The configure steps, each under the key that names it in the file.
ConfigureStep = Annotated[
    Annotated[CloudInitStep, BeforeValidator(step_body), Tag("cloud-init")]
    | Annotated[ScriptStep, BeforeValidator(step_body), Tag("script")]
    | Annotated[AnsibleStep, BeforeValidator(step_body), Tag("ansible")]
    | Annotated[PuppetStep, BeforeValidator(step_body), Tag("puppet")]
    | Annotated[ChefStep, BeforeValidator(step_body), Tag("chef")],
    Discriminator(step_kind),
    BeforeValidator(read_step),
]


def secrets_of_step(step: ConfigureStep) -> list[str]:
    """The secrets among a step's options. Raises MissingSecretError."""
    password = getattr(step, "vault_password", None)
    return secrets_among([*getattr(step, "environment", {}).values(), password])
