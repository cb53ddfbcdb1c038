"""Probes what this machine can do for the embedded cloud, and what it lacks.

Only facts are gathered here; nothing is installed or changed. The container runtime is chosen
from what is known to stop a systemd container from starting: the cgroup layout, and limits that
a process without CAP_SYS_RESOURCE may not raise.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infraci.local.host.loop_devices import CONTROL as LOOP_CONTROL
from infraci.local.host.loop_devices import MAJOR, PARTITION_MAJOR
from infraci.local.host.recipe import KEYRING

_CAP_SYS_RESOURCE = 24
#: The file systems that a server may have on a volume, where this machine's kernel has them.
FILE_SYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"})
_MOUNT_BY_DESCRIPTOR = (5, 12)
#: Devices that a server has beside the usual ones, if this machine has them: for VPNs.
_DEVICES = (Path("/dev/net/tun"),)
#: What podman itself sets by default.
_DEFAULT_LIMIT = 1048576
#: What a server may do beyond podman's default container, with the kernel's numbers: configure its
#: own network and packet filter, ping, audit, see all its processes, lock memory, reboot (which
#: ends no more than its own init). Not CAP_SYS_ADMIN: its root is this machine's root, held by
#: what it may not do. Not CAP_MKNOD: a device that it makes is opened from outside, through
#: /proc/PID/root, by any user of this machine whose number a process of the server has.
_SERVER_CAPABILITIES = {
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "IPC_LOCK": 14,
    "SYS_PTRACE": 19,
    "SYS_BOOT": 22,
    "SYS_NICE": 23,
    "AUDIT_WRITE": 29,
}
#: The numbers of the image's user, and of the first that cloud-init makes after it.
_PEOPLE = range(1000, 1010)
_KERNEL_PROBE = """\
echo namespaces
ip link add name b type bridge && echo bridge
ip link add v0 type veth peer name v1 && echo veth
nft -f - <<'END' && echo nf_tables
table ip t {
    chain c {
        type nat hook postrouting priority 100
        masquerade
    }
}
END
[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && nft -f - <<'END' && echo packet_filter
table bridge t {
    set s { type mark . ether_addr . ipv4_addr; flags interval; }
    chain c {
        type filter hook forward priority -200
        meta mark . ether saddr . ip saddr @s accept
    }
}
table inet t {
    chain c {
        type filter hook forward priority -1
        ct state established ct direction reply ct mark set 1
    }
}
END
"""


class Cgroups(StrEnum):
    """How the machine lays out control groups."""

    V1 = "v1"
    V2 = "v2"
    #: Version 1 controllers with an empty version 2 tree beside them.
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """The device of the default route."""

    device: str
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something the embedded cloud needs and this machine lacks."""

    what: str
    #: The command, or when there is none the advice, that mends it.
    remedy: str
    #: The Debian package that has it, if that is all there is to it.
    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this machine can do for the embedded cloud."""

    is_root: bool
    #: podman's version, or None when it is not installed.
    podman: str | None
    cgroups: Cgroups
    #: The OCI runtime that starts a systemd container here: ``crun`` or ``runc``.
    runtime: str | None
    #: The option for ``podman run`` that a systemd container needs here.
    run_options: tuple[str, ...]
    memory_limits: bool
    cpu_limits: bool
    ip: bool
    nft: bool
    mmdebstrap: bool
    debian_keyring: bool
    #: Of namespaces, bridge, veth, nf_tables and packet_filter, what the kernel really made.
    kernel: frozenset[str]
    ip_forward: bool
    uplink: Uplink | None
    #: Whether files can be block devices: volumes are.
    loop_devices: bool = True
    #: Those of volumes that this kernel can mount in servers, as far as it says.
    file_systems: tuple[str, ...] = ()

    @property
    def filters_packets(self) -> bool:
        """Whether security groups can be enforced: bridged packets be filtered by connections."""
        return "packet_filter" in self.kernel

    def missing(self) -> tuple[Missing, ...]:
        """Return what must be mended before a server can start, each with its remedy."""
        missing: list[Missing] = []
        if not self.is_root:
            missing.append(
                Missing(what="root (networks are made of network namespaces)", remedy="sudo -i")
            )
        if self.podman is None:
            missing.append(_package("podman", "podman"))
        if self.runtime is None:
            need = "runc" if self.cgroups is Cgroups.HYBRID else "crun"
            missing.append(_package(f"{need} (for {self.cgroups} control groups)", need))
        if not self.ip:
            missing.append(_package("ip", "iproute2"))
        if not self.nft:
            missing.append(_package("nft", "nftables"))
        if not self.mmdebstrap:
            missing.append(_package("mmdebstrap", "mmdebstrap"))
        if not self.debian_keyring:
            missing.append(_package("Debian's archive keys", "debian-archive-keyring"))
        if self.is_root and self.ip and self.nft:
            missing.extend(self._missing_in_kernel())
        return tuple(missing)

    def _missing_in_kernel(self) -> tuple[Missing, ...]:
        if "namespaces" not in self.kernel:
            return (
                Missing(
                    what="permission to make network namespaces",
                    remedy="run as root outside of a container, or in a privileged one",
                ),
            )
        return tuple(
            Missing(what=f"{name} in the kernel", remedy=f"modprobe {name}")
            for name in ("bridge", "veth", "nf_tables")
            if name not in self.kernel
        )


def install_command(missing: Sequence[Missing]) -> str | None:
    """Return one command that installs all packages that are missing, or None if none is."""
    packages = sorted({m.package for m in missing if m.package is not None})
    if not packages:
        return None
    return f"apt-get install --yes --no-install-recommends {' '.join(packages)}"


def probe() -> Capabilities:
    """Look at this machine. Takes about 50 ms; as root it makes devices in a namespace of its own.

    Never raises because something is absent.
    """
    is_root = os.geteuid() == 0
    cgroups = _cgroups(Path("/sys/fs/cgroup"))
    effective = _effective_capabilities(Path("/proc/self/status"))
    runtime = _runtime(cgroups)
    ip, nft = shutil.which("ip") is not None, shutil.which("nft") is not None
    return Capabilities(
        is_root=is_root,
        podman=_podman_version(),
        cgroups=cgroups,
        runtime=runtime,
        run_options=run_options(
            runtime=runtime,
            effective=effective,
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            processes=resource.getrlimit(resource.RLIMIT_NPROC)[1],
            pid_max=int(Path("/proc/sys/kernel/pid_max").read_text()),
        ),
        memory_limits=is_root and _enforces(cgroups, "memory"),
        cpu_limits=is_root and _enforces(cgroups, "cpu"),
        ip=ip,
        nft=nft,
        mmdebstrap=shutil.which("mmdebstrap") is not None,
        debian_keyring=KEYRING.exists(),
        kernel=_kernel() if is_root and ip and nft else frozenset(),
        ip_forward=Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1",
        uplink=find_uplink(),
        loop_devices=LOOP_CONTROL.exists(),
        file_systems=_file_systems(os.uname().release),
    )


def missing_haproxy() -> Missing | None:
    """Return what load balancers lack on this machine, if they lack anything."""
    return None if shutil.which("haproxy") else _package("haproxy", "haproxy")


def users_alike() -> Mapping[int, str]:
    """Users of this machine whose numbers those of servers' users are: the first of people's."""
    return {user.pw_uid: user.pw_name for user in pwd.getpwall() if user.pw_uid in _PEOPLE}


def find_uplink() -> Uplink | None:
    """Return the device of the default route; None without one, or without ``ip``."""
    routes = json.loads(_output(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    devices = [route["dev"] for route in routes if "dev" in route]
    if not devices:
        return None
    mtu = Path("/sys/class/net") / devices[0] / "mtu"
    return Uplink(device=devices[0], mtu=int(mtu.read_text()))


def can_filter() -> bool:
    """Whether bridged packets can be filtered, as far as may be seen without root and at once."""
    return Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()


def no_volumes_reason(*, control: Path = LOOP_CONTROL, release: str = "") -> str | None:
    """Why this machine has no volumes with file systems, as far as may be seen at once.

    ``release`` is another kernel's than this one's.
    """
    if not control.exists():
        return "this machine has no loop devices, so that volumes cannot be made (`modprobe loop`)"
    if not _file_systems(release or os.uname().release):
        return "file systems on volumes cannot be mounted: this machine's Linux is before 5.12"
    return None


def run_options(
    *, runtime: str | None, effective: int, open_files: int, processes: int, pid_max: int
) -> tuple[str, ...]:
    """Return the options with which ``podman run`` starts a systemd container.

    Without CAP_SYS_RESOURCE a limit may only be lowered: podman's own default of 1048576 open
    files would be refused, and so would more processes than it has given itself (``pid_max``).
    """
    options = ["--systemd=always"]
    if runtime is not None:
        options.append(f"--runtime={runtime}")
    if not effective & (1 << _CAP_SYS_RESOURCE):
        files = _lowest(open_files, _DEFAULT_LIMIT)
        tasks = _lowest(processes, pid_max)
        options += [f"--ulimit=nofile={files}:{files}", f"--ulimit=nproc={tasks}:{tasks}"]
    held = [name for name, bit in _SERVER_CAPABILITIES.items() if effective & (1 << bit)]
    if held:
        options.append(f"--cap-add={','.join(held)}")
    options += [f"--device={device}" for device in _DEVICES if device.is_char_device()]
    if LOOP_CONTROL.exists():
        # A server opens only those whose nodes it is given: it can make none.
        options += [f"--device-cgroup-rule=b {major}:* rw" for major in (MAJOR, PARTITION_MAJOR)]
    return tuple(options)


def _lowest(limit: int, other: int) -> int:
    return other if limit == resource.RLIM_INFINITY else min(limit, other)


def _package(what: str, package: str) -> Missing:
    return Missing(
        what=what,
        remedy=f"apt-get install --yes --no-install-recommends {package}",
        package=package,
    )


def _cgroups(root: Path) -> Cgroups:
    if (root / "cgroup.controllers").exists():
        return Cgroups.V2
    if (root / "unified" / "cgroup.procs").exists():
        return Cgroups.HYBRID
    return Cgroups.V1


def _runtime(cgroups: Cgroups) -> str | None:
    # crun refuses the hybrid layout; elsewhere it is the lighter of the two.
    runtimes = ("runc",) if cgroups is Cgroups.HYBRID else ("crun", "runc")
    return next((name for name in runtimes if shutil.which(name) is not None), None)


def _effective_capabilities(status: Path) -> int:
    match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    return int(match[1], 16) if match else 0


def _enforces(cgroups: Cgroups, controller: str) -> bool:
    """Say whether a limit can be set, by making an empty control group."""
    root = Path("/sys/fs/cgroup")
    if cgroups is Cgroups.V2:
        group, file, value = root, "memory.max" if controller == "memory" else "cpu.max", "max"
        if controller not in (root / "cgroup.controllers").read_text().split():
            return False
    else:
        group = root / controller
        file = "memory.limit_in_bytes" if controller == "memory" else "cpu.cfs_quota_us"
        value = "-1"
    trial = group / f"infraci-probe-{os.getpid()}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        (trial / file).write_text(value)
    except OSError:
        # Offered, but not yet handed down by the root group: podman does that when it needs it.
        return cgroups is Cgroups.V2 and os.access(root / "cgroup.subtree_control", os.W_OK)
    else:
        return True
    finally:
        trial.rmdir()


def _podman_version() -> str | None:
    if shutil.which("podman") is None:
        return None
    match = re.search(r"(\d+(?:\.\d+)+)", _output(["podman", "--version"]))
    return match[1] if match else None


def _kernel() -> frozenset[str]:
    return frozenset(_output(["unshare", "--net", "sh", "-c", _KERNEL_PROBE]).split())


def _file_systems(release: str) -> tuple[str, ...]:
    """Those of volumes that the kernel has; one before 5.12 mounts none by descriptors."""
    version = re.match(r"(\d+)\.(\d+)", release)
    if version is None or (int(version[1]), int(version[2])) < _MOUNT_BY_DESCRIPTOR:
        return ()
    names = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    return tuple(sorted(names.intersection(FILE_SYSTEMS)))


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=10,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
