"""SSH to a run's servers: logins, commands, files, keys, and an ``ssh_config`` for people.

Host keys are pinned: a server that shows another key than its console log printed is never
talked to. The SSH library is imported in this room only.
"""

from __future__ import annotations

from infraci.ssh.config import (
    Key,
    generate_key,
    host_keys_from_console,
    identity_of,
    write_ssh_config,
)
from infraci.ssh.connection import HostKeyError, LoginRefusedError
from infraci.ssh.login import wait_for_login
from infraci.ssh.output import Completed
from infraci.ssh.session import CommandTimeoutError, Session

__all__ = [
    "CommandTimeoutError",
    "Completed",
    "HostKeyError",
    "Key",
    "LoginRefusedError",
    "Session",
    "generate_key",
    "host_keys_from_console",
    "identity_of",
    "wait_for_login",
    "write_ssh_config",
]
