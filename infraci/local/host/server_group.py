"""A server's own part of systemd's control groups, where these are of version 1.

Podman would give each systemd container the whole hierarchy of this machine's own systemd. So it is
told that there is no systemd, and given what systemd needs: memory file systems, a signal to stop,
and the hierarchy to read, with the server's own group in it to write.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from infraci.base.deadline import Deadline

#: Where the hierarchies of version 1 are, and the one in which systemd keeps its units.
_HIERARCHIES = Path("/sys/fs/cgroup")
_SYSTEMD = _HIERARCHIES / "systemd"
#: The group of all servers.
_ALL = "infraci"
#: Podman's monitor of a container leaves the groups just after the container is removed.
_LEAVING_S = 2.0


def is_of_version_1() -> bool:
    """Whether systemd's hierarchy is one of version 1, as on hybrid layouts."""
    return (_SYSTEMD / "cgroup.procs").exists()


def options_of(server_id: str) -> tuple[str, ...]:
    """Podman's options; none with version 2, where each container sees its own part only."""
    if not is_of_version_1():
        return ()
    own = _SYSTEMD / _ALL / server_id
    return (
        "--systemd=false",
        "--stop-signal=SIGRTMIN+3",
        "--env=container=podman",
        f"--env=container_uuid={server_id.replace('-', '')}",
        "--tmpfs=/run:rw,exec,nosuid,nodev,mode=0755",
        "--tmpfs=/run/lock:rw,exec,nosuid,nodev,mode=0755",
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777",
        "--tmpfs=/var/log/journal:rw,exec,nosuid,nodev",
        f"--cgroup-parent=/{_ALL}/{server_id}",
        f"--volume={_SYSTEMD}:{_SYSTEMD}:ro",
        f"--volume={own}:{own}:rw",
    )


def make_group(server_id: str) -> None:
    """Make a server's group, which a reboot of this machine removes."""
    if is_of_version_1():
        (_SYSTEMD / _ALL / server_id).mkdir(parents=True, exist_ok=True)


def remove_group(server_id: str) -> None:
    """Remove the groups of a server whose container is gone."""
    if not is_of_version_1():
        return
    deadline = Deadline(_LEAVING_S)
    while groups := _groups(server_id):
        for group in groups:
            with suppress(OSError):  # a process is still in it, or in one below
                group.rmdir()
        if deadline.remaining_s <= 0:
            return
        deadline.pause(0.01)


def _groups(server_id: str) -> list[Path]:
    """The server's groups in all hierarchies, the innermost first."""
    tops = _HIERARCHIES.glob(f"*/{_ALL}/{server_id}")
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]
