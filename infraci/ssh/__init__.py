"""SSH to a run's servers: logins, commands, files, keys, and an ``ssh_config`` for users.

Host keys are pinned: infraci sends nothing to a server that shows another key than its console
log printed. The SSH library is imported in this room only.
"""

from __future__ import annotations

from infraci.ssh.attach import attach
from infraci.ssh.boot_id import Boot, look_at_boot, rebooting
from infraci.ssh.command_output import Completed
from infraci.ssh.config import (
    Key,
    generate_key,
    host_keys_from_console,
    write_ssh_config,
)
from infraci.ssh.connection import (
    HostKeyError,
    LoginRefusedError,
    PortClosedError,
    RebootingError,
    UnansweredError,
    close_jumps,
    fingerprint,
    shown_host_key,
)
from infraci.ssh.login_attempt import log_in
from infraci.ssh.session import CommandTimeoutError, Session
from infraci.ssh.session_pool import SessionPool
from infraci.ssh.shell import Shell

__all__ = [
    "Boot",
    "CommandTimeoutError",
    "Completed",
    "HostKeyError",
    "Key",
    "LoginRefusedError",
    "PortClosedError",
    "RebootingError",
    "Session",
    "SessionPool",
    "Shell",
    "UnansweredError",
    "attach",
    "close_jumps",
    "fingerprint",
    "generate_key",
    "host_keys_from_console",
    "log_in",
    "look_at_boot",
    "rebooting",
    "shown_host_key",
    "write_ssh_config",
]
