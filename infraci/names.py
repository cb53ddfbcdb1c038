"""Names of servers, in which a cloud allows anything, where not everything is allowed."""

from __future__ import annotations

import re


def plain(name: str) -> str:
    """Make of a server's name a word for files and ``ssh_config``: no slashes, no wildcards."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".-") or "server"
