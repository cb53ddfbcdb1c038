"""Debian's packages of an OpenStack, installed without a daemon starting or a question asked."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.live.openstack.place import PATH, BrokenError, Place, say

#: The services' code. The ``-api`` packages have nothing more but questions and daemons.
_SERVICES = (
    "python3-cinder",
    "python3-glance",
    "python3-heat",
    "python3-keystone",
    "python3-neutron",
    "python3-nova",
    "python3-placement",
    "python3-pymysql",
    "uwsgi-core",
    "uwsgi-plugin-python3",
)
_BACKENDS = ("mariadb-server", "rabbitmq-server")
_HYPERVISOR = (
    "genisoimage",
    "libvirt-clients",
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "python3-libvirt",
    "qemu-system-x86",
)
_NETWORK = (
    "bridge-utils",
    "conntrack",
    "dnsmasq-base",
    "dnsmasq-utils",
    "ebtables",
    "haproxy",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-arping",
    "nftables",
)
#: What the guest images are made with, on this machine.
GUEST_TOOLS = (
    "busybox-static",
    "cpio",
    "dropbear-bin",
    "e2fsprogs",
    "kmod",
    "mmdebstrap",
    "qemu-utils",
)
#: Wanted for ``api-paste.ini`` and the like only; to install them is to be asked questions.
_UNPACKED = ("cinder-common", "glance-common", "heat-common", "neutron-common", "nova-common")

_ALL = (*_SERVICES, *_BACKENDS, *_HYPERVISOR, *_NETWORK)
_LISTS_ARE_OLD_S = 12 * 3600

_POLICY = Path("/usr/sbin/policy-rc.d")
_LIBVIRT_USER = "libvirt-qemu"


def refresh_lists() -> None:
    """Ask the mirror what it has, unless that was done today: it keeps no old packages."""
    lists = Path("/var/lib/apt/lists")
    known = any(lists.glob("*_Packages*"))
    if not known or time.time() - lists.stat().st_mtime > _LISTS_ARE_OLD_S:
        _apt("update")


def are_installed(place: Place) -> bool:
    """Say whether there is nothing to install."""
    return not missing([*_ALL, *GUEST_TOOLS]) and _is_unpacked(place.unpacked)


def install_guest_tools() -> None:
    """Install what the guest images are made with."""
    _apt_install(GUEST_TOOLS)


def install(place: Place) -> None:
    """Install what is missing; nothing, and in no time, when all is there."""
    _apt_install(_ALL)
    # libvirtd looks its default user up even where its configuration names another.
    if subprocess.run(["id", _LIBVIRT_USER], capture_output=True).returncode:
        _run(
            [
                *("useradd", "--system", "--user-group", "--no-create-home"),
                *("--shell", "/usr/sbin/nologin", _LIBVIRT_USER),
            ]
        )
    _unpack(place.unpacked)


def missing(packages: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    shown = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
    ).stdout
    there = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    return [package for package in packages if package not in there]


def common(place: Place, path: str) -> Path:
    """A file of the unpacked packages."""
    return place.unpacked / path


def _apt_install(packages: Sequence[str]) -> None:
    absent = missing(packages)
    if not absent:
        return
    say(f"packages: {len(absent)} and what they need")
    with _no_daemons():
        _apt("install", "--no-install-recommends", *absent)


def _unpack(folder: Path) -> None:
    if _is_unpacked(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "--quiet=2", "download", *_UNPACKED], cwd=folder)
    for package in _UNPACKED:
        for archive in folder.glob(f"{package}_*.deb"):
            _run(["dpkg-deb", "--extract", str(archive), str(folder)])
            archive.unlink()
    (folder / ".done").write_text("\n".join(_UNPACKED))


def _is_unpacked(folder: Path) -> bool:
    done = folder / ".done"
    return done.exists() and done.read_text().split() == list(_UNPACKED)


@contextlib.contextmanager
def _no_daemons() -> Iterator[None]:
    """Packages start no services meanwhile: ours are private ones."""
    if _POLICY.exists():
        text = _POLICY.read_text(errors="replace")
        if "exit 101" not in text:
            raise BrokenError(f"{_POLICY} is there and lets daemons start; move it away")
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    options = ["--quiet=2", "--yes", "--option=DPkg::Lock::Timeout=900"]
    options += ["--option=Dpkg::Use-Pty=0", "--option=Dpkg::Options::=--force-unsafe-io"]
    options += ["--option=Dpkg::Options::=--force-confold", "--option=Acquire::Retries=3"]
    _run(["apt-get", *options, *arguments])


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    environment = {
        **os.environ,
        "PATH": PATH,
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBIAN_PRIORITY": "critical",
    }
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise BrokenError(f"{' '.join(command[:3])} … failed ({done.returncode}):\n{tail}")
