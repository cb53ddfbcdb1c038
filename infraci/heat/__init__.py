"""A cloud by openstacksdk: stacks and their events, servers, consoles, key pairs."""

from __future__ import annotations

from infraci.heat.cloud import Cloud
from infraci.heat.cloud_errors import (
    LOCAL,
    ExistsError,
    GoneError,
    RefusedError,
    TransientCloudError,
)
from infraci.heat.console import fatal_line
from infraci.heat.events import OnEvent, render_events
from infraci.heat.leftovers import Leftover, Mark
from infraci.heat.objects import (
    DEAD,
    Event,
    FoundStack,
    Keypair,
    NovaServer,
    PreviewResource,
    Resource,
    ServerAddress,
    Stack,
    StackPreview,
)
from infraci.heat.stack_errors import ResourceFailedError, StackFailedError, UpdateFailedError
from infraci.heat.stacks import Request

__all__ = [
    "DEAD",
    "LOCAL",
    "Cloud",
    "Event",
    "ExistsError",
    "FoundStack",
    "GoneError",
    "Keypair",
    "Leftover",
    "Mark",
    "NovaServer",
    "OnEvent",
    "PreviewResource",
    "RefusedError",
    "Request",
    "Resource",
    "ResourceFailedError",
    "ServerAddress",
    "Stack",
    "StackFailedError",
    "StackPreview",
    "TransientCloudError",
    "UpdateFailedError",
    "fatal_line",
    "render_events",
]
