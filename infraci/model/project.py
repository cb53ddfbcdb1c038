"""The optional project file, ``infraci.yaml``: what a repository's names mean on each cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from infraci.model.fields import Text
from infraci.model.pipeline import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudNames(Section):
    """A cloud's own names for the images, flavors and networks that templates name."""

    images: Annotated[
        Mapping[str, Text], Field(description="The template's image names, and the cloud's.")
    ] = field(default_factory=dict)
    flavors: Annotated[
        Mapping[str, Text], Field(description="The template's flavor names, and the cloud's.")
    ] = field(default_factory=dict)
    networks: Annotated[
        Mapping[str, Text], Field(description="The template's network names, and the cloud's.")
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Section):
    """What a repository says for all of its pipelines."""

    clouds: Annotated[
        Mapping[str, CloudNames], Field(description="By the cloud's name in clouds.yaml.")
    ] = field(default_factory=dict)

    def names_on(self, cloud: str) -> CloudNames:
        """The names to use on a cloud; those of the templates where nothing is said."""
        return self.clouds.get(cloud, CloudNames())
