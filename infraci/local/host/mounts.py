"""Mounts the file systems of a server's volumes in it, which it has no right to do itself.

:mod:`infraci.local.host.mount_process` does it, in a process for each mount.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infraci.base.lines import last_line
from infraci.errors import CloudError
from infraci.local.host import loop_devices, mount_process
from infraci.local.host.host_interface import Disk, MountRequest

#: A file system that was not unmounted in order is mended as it is mounted.
_MOUNT_S = 120.0


class MountError(CloudError):
    """A server's file system cannot be mounted or unmounted; the message is what `mount` says."""


def mount(init: int, netns: Path, disks: Sequence[Disk], request: MountRequest) -> None:
    """Mount one of a server's disks, or change how it is mounted. Raises MountError.

    ``init`` is the server's first process, ``netns`` the file of its network namespace.
    """
    disk, source = _find(disks, request.numbers)
    flags, options = request.flags, request.options
    if disk.read_only:  # `mount` as well mounts a disk that takes no writes read-only
        flags = (*flags, "ro")
        options = (*(option for option in options if option[0] != "rw"), ("ro", ""))
    number, reason = _run(
        init,
        netns,
        operation="remount" if request.is_remount else "mount",
        target=request.target,
        source=source,
        numbers=request.numbers,
        type=request.type,
        flags=flags,
        options=options,
        devices=_devices(disks),
    )
    if number:
        raise MountError(_mount_words(number, reason, request, source))


def unmount(init: int, netns: Path, disks: Sequence[Disk], target: str, *, is_lazy: bool) -> None:
    """Undo the latest mount of one of a server's disks on a folder. Raises MountError."""
    number, reason = _run(
        init, netns, operation="unmount", target=target, lazy=is_lazy, devices=_devices(disks)
    )
    if number:
        words = {errno.EBUSY: "target is busy", errno.EINVAL: "not mounted"}
        raise MountError(words.get(number, reason))


def unplug(init: int, netns: Path, disk: Disk) -> None:
    """Undo all mounts of a disk; what programs have written is on it. Raises MountError."""
    number, reason = _run(init, netns, operation="unplug", devices=_devices([disk]))
    if number not in (0, errno.ENOENT, errno.ESRCH):  # the server has ended
        raise MountError(f"cannot unmount {disk.device}: {reason}")


def cover(init: int, netns: Path, targets: Sequence[str], *, source: str) -> None:
    """Mount an empty file system on folders of a server's, once. Raises MountError."""
    number, reason = _run(init, netns, operation="cover", targets=list(targets), source=source)
    if number:
        raise MountError(f"cannot mount {source} in the server: {reason}")


def _find(disks: Sequence[Disk], numbers: tuple[int, int]) -> tuple[Disk, str]:
    """The disk that has a block device of these numbers, and the device's name in the server."""
    for disk in disks:
        if disk.numbers == numbers:
            return disk, disk.device
        for part, part_numbers in loop_devices.partitions(disk.numbers[1]).items():
            if part_numbers == numbers:
                return disk, f"{disk.device}{part}"
    raise MountError("permission denied")


def _devices(disks: Sequence[Disk]) -> list[str]:
    numbers = [disk.numbers for disk in disks]
    for disk in disks:
        numbers += loop_devices.partitions(disk.numbers[1]).values()
    return [f"{major}:{minor}" for major, minor in numbers]


def _mount_words(number: int, reason: str, request: MountRequest, source: str) -> str:
    if number == errno.ENODEV:
        return f"unknown filesystem type '{request.type}'"
    if number == errno.ENOENT:
        return "mount point does not exist"
    if number == errno.EBUSY:
        return f"{source} already mounted or mount point busy"
    if number == errno.EINVAL:
        return (
            f"wrong fs type, bad option, bad superblock on {source}, missing codepage or helper"
            f" program, or other error{f' ({reason})' if reason else ''}"
        )
    return reason or os.strerror(number)


def _run(init: int, netns: Path, **job: object) -> tuple[int, str]:
    """The number of the kernel's error, 0 for none, and its words. Raises CloudError."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", mount_process.__file__],
            input=json.dumps({"init": init, "netns": str(netns), **job}),
            capture_output=True,
            text=True,
            check=False,
            timeout=_MOUNT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CloudError("cannot mount: the kernel takes too long") from error
    if done.returncode != 0:
        raise CloudError(f"cannot mount: {last_line(done.stderr, 'its process has ended')}")
    answer = json.loads(done.stdout)
    return int(answer["errno"]), str(answer["reason"])
