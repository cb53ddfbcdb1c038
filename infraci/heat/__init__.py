"""A cloud by openstacksdk: stacks and their story, servers, consoles, key pairs."""

from __future__ import annotations

from infraci.heat.cloud import Cloud
from infraci.heat.console import fatal_line
from infraci.heat.failure import ResourceFailedError, StackFailedError, UpdateFailedError
from infraci.heat.remnants import Mark, Remnant
from infraci.heat.stacks import Request
from infraci.heat.story import OnEvent, story
from infraci.heat.troubles import (
    LOCAL,
    ExistsError,
    GoneError,
    RefusedError,
    TransientCloudError,
)
from infraci.heat.values import (
    DEAD,
    Address,
    Event,
    FoundStack,
    Keypair,
    NovaServer,
    PreviewResource,
    Resource,
    Stack,
    StackPreview,
)

__all__ = [
    "DEAD",
    "LOCAL",
    "Address",
    "Cloud",
    "Event",
    "ExistsError",
    "FoundStack",
    "GoneError",
    "Keypair",
    "Mark",
    "NovaServer",
    "OnEvent",
    "PreviewResource",
    "RefusedError",
    "Remnant",
    "Request",
    "Resource",
    "ResourceFailedError",
    "Stack",
    "StackFailedError",
    "StackPreview",
    "TransientCloudError",
    "UpdateFailedError",
    "fatal_line",
    "story",
]
