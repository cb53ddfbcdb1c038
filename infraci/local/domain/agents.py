"""Which servers boot with Heat's agents: those whose user data tells an agent where to ask.

Heat writes such user data for ``user_data_format: SOFTWARE_CONFIG``. A server without it boots from
the plain image, and pays nothing for the agents.
"""

from __future__ import annotations

import email
import json
from email.message import Message

from infraci.local.host.recipe import image_with_agents

#: The part of Heat's user data that has a server's metadata, and the key by which agents ask.
_PART = "cfn-init-data"
_KEY = "os-collect-config"


def image_to_boot(image: str, user_data: bytes) -> str:
    """Return the name of the image a server boots from: one with agents, if it has work for any."""
    return image_with_agents(image) if _asks_for_agents(user_data) else image


def _asks_for_agents(user_data: bytes) -> bool:
    if _PART.encode() not in user_data:
        return False
    return any(map(_has_key, email.message_from_bytes(user_data).walk()))


def _has_key(part: Message) -> bool:
    if part.get_filename() != _PART:
        return False
    payload = part.get_payload(decode=True)
    try:
        metadata = json.loads(payload if isinstance(payload, bytes) else b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(metadata, dict) and _KEY in metadata
