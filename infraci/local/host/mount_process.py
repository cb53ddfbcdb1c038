"""Mounts and unmounts file systems in a server: a program that needs no other file of infraci's.

It reads a JSON object and writes one: ``{"errno": 0, "reason": ""}``. The kernel lets a process
change only the mounts of the namespace that it is in, so this one joins the server's. The server's
root user may change paths meanwhile, so that none is looked up twice:

- the target is opened below the server's root, where no link leads out;
- the file system is made outside of the server, from a device node of this process, with the
  server's rights to devices, and is moved to the target by descriptors;
- a mount is undone by its name in a folder that is open: the kernel lets no program rename the
  place of a mount.

Source of the numbers: linux/mount.h, linux/openat2.h, linux/sched.h, asm-generic/unistd.h
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import re
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_LIBC = ctypes.CDLL(None, use_errno=True)
_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _FSPICK = 429, 430, 431, 432, 433
_OPENAT2, _MOUNT_SETATTR = 437, 442
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_CLOEXEC = 1  # of fsopen, fsmount and fspick
_BOTH_EMPTY = 0x04 | 0x40  # of move_mount: both ends are descriptors
_PICK_EMPTY, _AT_EMPTY = 0x08, 0x1000
_SET_FLAG, _SET_STRING, _CREATE, _RECONFIGURE = 0, 1, 6, 7
_RESOLVE = 0x02 | 0x10  # RESOLVE_NO_MAGICLINKS and RESOLVE_IN_ROOT
_O_PATH = 0o10000000
_DETACH, _NOFOLLOW = 2, 8
_FLAGS = {
    "ro": 0x01, "nosuid": 0x02, "nodev": 0x04, "noexec": 0x08,
    "noatime": 0x10, "strictatime": 0x20, "nodiratime": 0x80,
}  # fmt: skip
_ATIMES = 0x70
#: Places where the server has what holds it: it may cover none of them.
_KEPT = ("/proc", "/sys", "/dev", "/run/host")
_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): write all, then refuse everything
_BTRFS_FS_INFO = 0x8400941F


class Mount(NamedTuple):
    """A mount in a namespace."""

    id: int
    device: str  # "7:70000"
    target: str
    type: str
    source: str


class MountRefusedError(OSError):
    """Something that the server may not do; its text says why."""


def mounts_in(pid: int) -> list[Mount]:
    """The mounts that a process sees, the latest last."""
    mounts = []
    for line in Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        fields = before.split(b" ")
        target = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        type_, source, *_ = after.decode(errors="replace").split(" ")
        mounts.append(Mount(int(fields[0]), fields[2].decode(), os.fsdecode(target), type_, source))
    return mounts


class ServerView:
    """A server's root, mounts and namespace, as its init has them."""

    def __init__(self, init: int, netns: str) -> None:
        """``netns`` is the server's: another process of that id has another."""
        self._init = init
        self.root = os.open(f"/proc/{init}/root", _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._namespace = os.open(f"/proc/{init}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if os.stat(netns).st_ino != os.stat(f"/proc/{init}/ns/net").st_ino:  # noqa: PTH116
            raise MountRefusedError(errno.ESRCH, "the server has ended")

    def open(self, path: str, *, flags: int = _O_PATH | os.O_DIRECTORY) -> int:
        """Open a folder of the server's."""
        how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, _RESOLVE)
        return _syscall(_OPENAT2, self.root, os.fsencode(path), how, ctypes.sizeof(how))

    def mounts(self) -> list[Mount]:
        """The server's mounts."""
        return mounts_in(self._init)

    def mount_of(self, descriptor: int) -> Mount:
        """The mount in which a folder of the server's is."""
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
        id_ = int(text.partition("mnt_id:")[2].split()[0])
        for mount in self.mounts():
            if mount.id == id_:
                return mount
        raise MountRefusedError(errno.EINVAL, "it is in no mount of the server's")

    def limit_devices(self) -> None:
        """Have no more rights to devices than the server: a file system can name others."""
        for line in Path(f"/proc/{self._init}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "devices":
                group = f"/sys/fs/cgroup/devices{path}"
            elif not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
                group = f"/sys/fs/cgroup{path}"
            else:
                continue
            Path(group, "cgroup.procs").write_text(str(os.getpid()))
            return
        raise MountRefusedError(errno.EPERM, "this machine has no control group of devices")

    def enter(self) -> None:
        """Join the namespace of the server's mounts: from now on no path is this machine's."""
        _call("setns", self._namespace, _CLONE_NEWNS)


def mount(server: ServerView, job: dict[str, Any]) -> None:
    """Mount a device's file system on a folder."""
    target = server.open(job["target"])
    place = server.mount_of(target)
    _check_place(server, target, place)
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    _call("mount", b"tmpfs", b"/dev", b"tmpfs", 0, None)
    os.mknod(job["source"], 0o600 | stat.S_IFBLK, os.makedev(*job["numbers"]))
    # The file systems' own words for what is wrong are in its context.
    server.limit_devices()
    context = _syscall(_FSOPEN, job["type"].encode(), _CLOEXEC)
    try:
        _configure(context, _SET_STRING, "source", job["source"])
        _set_options(context, job["options"])
        _configure(context, _CREATE)
        made = _syscall(_FSMOUNT, context, _CLOEXEC, _attributes(job["flags"]))
    except OSError as error:
        raise OSError(error.errno, _words(context)) from error
    server.enter()
    _syscall(_MOVE_MOUNT, made, b"", target, b"", _BOTH_EMPTY)


def cover(server: ServerView, job: dict[str, Any]) -> None:
    """Mount an empty file system on each of some folders, unless that was done before."""
    covered = {each.target for each in server.mounts() if each.source == job["source"]}
    places = []
    for path in job["targets"]:
        if path not in covered:
            context = _syscall(_FSOPEN, b"tmpfs", _CLOEXEC)
            _configure(context, _SET_STRING, "source", job["source"])
            _set_options(context, [["size", "1m"], ["mode", "755"]])
            _configure(context, _CREATE)
            flags = _attributes(["nosuid", "nodev", "noexec"])
            places.append((_syscall(_FSMOUNT, context, _CLOEXEC, flags), server.open(path)))
    server.enter()
    for made, target in places:
        _syscall(_MOVE_MOUNT, made, b"", target, b"", _BOTH_EMPTY)


def remount(server: ServerView, job: dict[str, Any]) -> None:
    """Change the options of a mount."""
    target = server.open(job["target"])
    _require_own(server, server.mount_of(target), target, job["devices"])
    attributes = _attributes(job["flags"])
    context = _syscall(_FSPICK, target, b"", _PICK_EMPTY | _CLOEXEC)
    try:
        _set_options(context, job["options"])
        _configure(context, _RECONFIGURE)
    except OSError as error:
        raise OSError(error.errno, _words(context)) from error
    cleared = (sum(_FLAGS.values()) | _ATIMES) & ~attributes
    change = (ctypes.c_uint64 * 4)(attributes, cleared | _ATIMES, 0, 0)
    server.enter()
    _syscall(_MOUNT_SETATTR, target, b"", _AT_EMPTY, change, ctypes.sizeof(change))


def unmount(server: ServerView, job: dict[str, Any]) -> None:
    """Undo the latest mount on a folder."""
    for each in reversed(server.mounts()):
        if each.target == job["target"]:
            folder, leaf = _held(server, each)
            _require_own(server, each, leaf, job["devices"])
            os.close(leaf)
            server.enter()
            _unmount_in(folder, each.target, _DETACH if job["lazy"] else 0)
            return
    raise MountRefusedError(errno.EINVAL, "it is not mounted")


def unplug(server: ServerView, job: dict[str, Any]) -> None:
    """Undo all mounts of devices; a program that still uses one can read and write no more."""
    held = []
    for each in reversed(server.mounts()):
        with suppress(OSError):
            folder, leaf = _held(server, each)
            _require_own(server, each, leaf, job["devices"])
            os.close(leaf)
            held.append((each, folder))
    server.enter()
    for each, folder in held:
        try:
            _unmount_in(folder, each.target, 0)
        except OSError:
            _shut_down(folder, each.target)
            _unmount_in(folder, each.target, _DETACH)


def _shut_down(folder: int, target: str) -> None:
    name = target.rpartition("/")[2]
    inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        os.fsync(inside)
        fcntl.ioctl(inside, _SHUTDOWN, (0).to_bytes(4, sys.byteorder))
    except OSError:  # btrfs has no such call, or the file system is damaged
        pass
    finally:
        os.close(inside)


def _held(server: ServerView, mount: Mount) -> tuple[int, int]:
    """The folder in which a mount's place is, and the mount's own root."""
    parent, _, _ = mount.target.rpartition("/")
    leaf = server.open(mount.target)
    if server.mount_of(leaf).id != mount.id:
        raise MountRefusedError(errno.EBUSY, "another is mounted over it")
    return server.open(parent or "/"), leaf


def _unmount_in(folder: int, target: str, flags: int) -> None:
    os.fchdir(folder)
    _call("umount2", os.fsencode(target.rpartition("/")[2]), flags | _NOFOLLOW)


def _check_place(server: ServerView, target: int, place: Mount) -> None:
    within = any(place.target == kept or place.target.startswith(f"{kept}/") for kept in _KEPT)
    if within or os.path.sameopenfile(target, server.root):
        raise MountRefusedError(errno.EPERM, "nothing can be mounted there on this cloud")


def _require_own(server: ServerView, mount: Mount, inside: int, devices: list[str]) -> None:
    """Refuse to touch a mount unless its file system is on one of the devices."""
    if mount.device in devices or (mount.type == "btrfs" and _is_btrfs_on(server, inside, devices)):
        return
    raise MountRefusedError(errno.EPERM, "it is no volume of the server's")


def _is_btrfs_on(server: ServerView, inside: int, devices: list[str]) -> bool:
    """Whether a btrfs is on one of the devices: its mounts show no device's number."""
    info = bytearray(1024)
    root = os.open(f"/proc/self/fd/{inside}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(root, _BTRFS_FS_INFO, info)
    finally:
        os.close(root)
    digits = info[16:32].hex()
    id_ = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    names = {path.name for path in Path(f"/sys/fs/btrfs/{id_}/devices").iterdir()}
    return any(Path(f"/sys/dev/block/{device}").resolve().name in names for device in devices)


def _set_options(context: int, options: list[list[str]]) -> None:
    for name, value in options:
        _configure(context, _SET_STRING if value else _SET_FLAG, name, value)


def _configure(context: int, command: int, key: str = "", value: str = "") -> None:
    arguments = [text.encode() if text else None for text in (key, value)]
    _syscall(_FSCONFIG, context, command, *arguments, 0)


def _words(context: int) -> str:
    """What the kernel says of a file system that it refuses."""
    words = []
    with suppress(OSError):
        while line := os.read(context, 1024):
            words.append(line.decode(errors="replace").partition(" ")[2].strip())
    return "; ".join(words)


def _attributes(flags: list[str]) -> int:
    return sum(_FLAGS[flag] for flag in set(flags))


def _syscall(number: int, *arguments: int | bytes | ctypes.Array[Any] | None) -> int:
    converted = [
        ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments
    ]
    return _checked(_LIBC.syscall(ctypes.c_long(number), *converted))


def _call(name: str, *arguments: int | bytes | None) -> int:
    return _checked(getattr(_LIBC, name)(*arguments))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


_OPERATIONS = {
    "mount": mount,
    "cover": cover,
    "remount": remount,
    "unmount": unmount,
    "unplug": unplug,
}


def main() -> None:
    """Do what is asked."""
    job = json.load(sys.stdin)
    answer: dict[str, Any] = {"errno": 0, "reason": ""}
    try:
        _OPERATIONS[job["operation"]](ServerView(job["init"], job["netns"]), job)
    except OSError as error:
        answer = {"errno": error.errno or errno.EIO, "reason": error.strerror or ""}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
