"""The optional project file, ``infraci.yaml``: settings that differ from cloud to cloud.

It maps names in templates to names on a cloud, and says how to reach a cloud's servers and how to
know their host keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from infraci.model.fields import HostKey, Port, Text, UserName, choice
from infraci.model.section import Section, never_null


class AddressKind(StrEnum):
    """At which of its addresses a server is reached."""

    FLOATING = "floating"
    FIXED = "fixed"


class HostKeySource(StrEnum):
    """Where a server's host keys are known from before it is first talked to."""

    CONSOLE = "console"  # cloud-init prints them there
    INJECTED = "injected"  # infraci makes them, and gives them to the guest as user data
    UNVERIFIED = "unverified"  # not at all: the first key that is seen is trusted


@dataclass(frozen=True, slots=True, kw_only=True)
class BastionDefinition(Section):
    """A host outside the stack, through which its servers are reached."""

    address: Annotated[Text, Field(description="Its name or address.")]
    port: Annotated[Port, Field(description="Where its SSH server listens.")] = 22
    user: Annotated[UserName, Field(description="Who logs in to it.")]
    key: Annotated[
        Text,
        Field(
            description="The file with the private key, on the machine that runs infraci; "
            "`~` and `$VARIABLE` are replaced."
        ),
    ]
    host_keys: Annotated[
        tuple[HostKey, ...],
        Field(min_length=1, description="Its host keys, as `ssh-keyscan` prints them."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDefinition(Section):
    """How servers on a cloud are reached by SSH."""

    address: Annotated[
        AddressKind | None,
        BeforeValidator(choice(AddressKind)),
        Field(
            description="At which address; by default the access address, else a floating one, "
            "else a fixed one.",
            json_schema_extra=never_null,
        ),
    ] = None
    bastion: Annotated[
        BastionDefinition | None,
        Field(
            description="Through which host; by default directly.",
            json_schema_extra=never_null,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudDefinition(Section):
    """What is particular to a cloud."""

    images: Annotated[
        Mapping[str, Text], Field(description="The template's image names, and the cloud's.")
    ] = field(default_factory=dict)
    flavors: Annotated[
        Mapping[str, Text], Field(description="The template's flavor names, and the cloud's.")
    ] = field(default_factory=dict)
    networks: Annotated[
        Mapping[str, Text], Field(description="The template's network names, and the cloud's.")
    ] = field(default_factory=dict)
    access: Annotated[AccessDefinition, Field(description="How servers are reached by SSH.")] = (
        field(default_factory=AccessDefinition)
    )
    host_keys: Annotated[
        HostKeySource,
        BeforeValidator(choice(HostKeySource)),
        Field(description="Where servers' host keys are known from."),
    ] = HostKeySource.CONSOLE
    max_template_bytes: Annotated[
        int,
        Field(
            ge=1024,
            description="The size of a template that its Heat takes (`max_template_size`); twice "
            "that for all that it is sent at once.",
        ),
    ] = 524288


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Section):
    """What a repository says for all of its pipelines."""

    clouds: Annotated[
        Mapping[str, CloudDefinition], Field(description="By the cloud's name in clouds.yaml.")
    ] = field(default_factory=dict)

    def cloud(self, name: str) -> CloudDefinition:
        """A cloud's settings; if the file has none, the defaults."""
        return self.clouds.get(name, CloudDefinition())
