"""Makes and removes the nodes of block devices in a running server's /dev.

The server has no right to do so. It may have put links where folders are expected, which this
machine must not follow: each step is taken from the folder before it, and none follows a link.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from infraci.errors import CloudError
from infraci.local.host import loop_devices
from infraci.local.host.host_interface import Disk

_MODE = 0o660
_DISK_GROUP = 6  # of every distribution
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_nodes(init: int, disk: Disk) -> None:
    """Make a disk a block device in the server of a process, with the partitions that it has."""
    name = PurePosixPath(disk.device).name
    try:
        with opened_in(init, "dev") as dev, opened_below(dev, "disk", "by-id") as by_id:
            _make(dev, by_id, name, disk.numbers, alias=_alias(disk))
            for part, numbers in loop_devices.partitions(disk.numbers[1]).items():
                _make(dev, by_id, f"{name}{part}", numbers, alias=f"{_alias(disk)}-part{part}")
    except OSError as error:
        raise CloudError(f"cannot make {disk.device} in the server: {error.strerror}") from error


def _make(dev: int, by_id: int, name: str, numbers: tuple[int, int], *, alias: str) -> None:
    for folder, each in ((dev, name), (by_id, alias)):
        with suppress(FileNotFoundError):
            os.unlink(each, dir_fd=folder)
    os.mknod(name, stat.S_IFBLK | _MODE, os.makedev(*numbers), dir_fd=dev)
    os.chown(name, 0, _DISK_GROUP, dir_fd=dev, follow_symlinks=False)
    os.symlink(f"../../{name}", alias, dir_fd=by_id)


def remove_nodes(init: int, disk: Disk) -> None:
    """Undo :func:`make_nodes`; what is gone already is fine."""
    name, alias = re.escape(PurePosixPath(disk.device).name), re.escape(_alias(disk))
    with suppress(OSError), opened_in(init, "dev") as dev:
        _remove(dev, rf"{name}\d*")
        with opened_below(dev, "disk", "by-id") as by_id:
            _remove(by_id, rf"{alias}(-part\d+)?")


def _remove(folder: int, pattern: str) -> None:
    for name in os.listdir(folder):  # of a folder that is open
        if re.fullmatch(pattern, name):
            os.unlink(name, dir_fd=folder)


def _alias(disk: Disk) -> str:
    """The name that udev gives a disk on a cloud with KVM."""
    return f"virtio-{disk.volume_id[:20]}"


@contextmanager
def opened_in(init: int, *names: str) -> Iterator[int]:
    """A folder in the server of a process, opened by its name and those of the folders above it."""
    root = os.open(f"/proc/{init}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with opened_below(root, *names, make=False) as folder:
            yield folder
    finally:
        os.close(root)


@contextmanager
def opened_below(folder: int, *names: str, make: bool = True) -> Iterator[int]:
    """A folder below an open one, which is made unless it is there."""
    current = os.dup(folder)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=current)
            inner = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)
