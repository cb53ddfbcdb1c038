"""Identifies processes by ``PID.START``, since the kernel uses numbers again."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path


def this_host() -> str:
    """The machine on which processes have these numbers, as a hash.

    A container is a machine of its own, for it does not see the processes of others; those of one
    image may share an ``/etc/machine-id``, and two machines the number of a namespace.
    """
    marks = [socket.gethostname()]
    with suppress(FileNotFoundError, PermissionError):
        marks.append(Path("/etc/machine-id").read_text().strip())
    with suppress(OSError):
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:12]


def this_process() -> str:
    """This process, as :func:`is_alive` knows it."""
    return f"{os.getpid()}.{_start_of(os.getpid())}"


def is_alive(process: str) -> bool:
    """Whether that process of this machine still runs; True if we may not look at it.

    Raises OSError if no process can be looked at, as with too few open files.
    """
    pid, _, start = process.partition(".")
    try:
        return pid.isdecimal() and _start_of(int(pid)) == start
    except PermissionError:
        return True


def _start_of(pid: int) -> str:
    """When a process was started, in clock ticks since boot; empty for one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()  # the command's name may hold anything
    return "" if fields[0] == "Z" else fields[19]
