"""libvirtd: a private one, which finds its folders in a mount namespace of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.live.openstack.place import Place
from tests.live.openstack.processes import Daemon, alive, pid_of, wait_for, with_programs

LIBVIRTD = "libvirtd"

#: What libvirt and QEMU keep where; the host's own are not touched.
_FOLDERS = ("etc/libvirt", "run/libvirt", "var/lib/libvirt", "var/cache/libvirt", "var/log/libvirt")


def uri(place: Place) -> str:
    """How clients find it."""
    return f"qemu+unix:///system?socket={place.run / 'libvirt/libvirt-sock'}"


def configure(place: Place) -> None:
    """Write qemu.conf for a host without systemd and its cgroups, where all is root's."""
    for folder in _FOLDERS:
        _own(place, folder).mkdir(parents=True, exist_ok=True)
    (_own(place, "etc/libvirt") / "qemu.conf").write_text(
        'user = "root"\n'
        'group = "root"\n'
        'security_driver = "none"\n'
        "cgroup_controllers = []\n"
        "namespaces = []\n"
        'stdio_handler = "file"\n'
        "dynamic_ownership = 0\n"
        "remember_owner = 0\n"
    )
    (_own(place, "etc/libvirt") / "libvirtd.conf").write_text(
        'auth_unix_rw = "none"\nunix_sock_group = "root"\n'
    )


def daemons(place: Place) -> list[Daemon]:
    """Only libvirtd: what QEMU says goes to files."""
    lines = ["set -e"]
    for folder in _FOLDERS:
        lines += [f"mkdir -p /{folder}", f"mount --bind '{_own(place, folder)}' /{folder}"]
    lines += [f"exec libvirtd --pid-file '{place.run / 'libvirtd.own'}'"]
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)]
    return [Daemon(LIBVIRTD, command)]


def beside_guests(place: Place, daemon: Daemon) -> Daemon:
    """The daemon in libvirtd's mount namespace, whose mounts guests see and the host does not."""
    inside = ["nsenter", f"--mount=/proc/{pid_of(place, LIBVIRTD)}/ns/mnt"]
    return with_programs(Daemon(daemon.name, [*inside, *daemon.command], daemon.environment))


def ready(place: Place) -> None:
    """Wait until it answers."""
    wait_for(place, "libvirtd", lambda: not _virsh(place, "list").returncode)


def end_guests(place: Place) -> None:
    """End all guests."""
    if not alive(place, LIBVIRTD):
        return
    for name in _virsh(place, "list", "--name").stdout.split():
        _virsh(place, "destroy", name)


def _virsh(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["virsh", "--quiet", "--connect", uri(place), *arguments],
        env=place.environment(),
        capture_output=True,
        text=True,
    )


def _own(place: Place, folder: str) -> Path:
    if folder.startswith("run/"):
        return place.run / folder.removeprefix("run/")
    if folder.startswith("etc/"):
        return place.etc / folder.removeprefix("etc/")
    return place.data / "libvirt" / folder
