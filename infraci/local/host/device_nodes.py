"""Makes and removes the nodes of block devices in a running server's /dev.

The server has no right to do so. It may have put links where folders are expected, which this
machine must not follow: each step is taken from the folder before it, and none follows a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

from infraci.errors import CloudError

_MODE = 0o660
_DISK_GROUP = 6  # of every distribution
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_node(init: int, device: str, *, major: int, minor: int, serial: str) -> None:
    """Make a block device known as ``device`` in the server of a process, and by its serial."""
    name = PurePosixPath(device).name
    try:
        with _opened(init) as dev:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=dev)
            os.mknod(name, stat.S_IFBLK | _MODE, os.makedev(major, minor), dir_fd=dev)
            os.chown(name, 0, _DISK_GROUP, dir_fd=dev, follow_symlinks=False)
            with _opened_below(dev, "disk", "by-id") as folder:
                with suppress(FileNotFoundError):
                    os.unlink(_alias(serial), dir_fd=folder)
                os.symlink(f"../../{name}", _alias(serial), dir_fd=folder)
    except OSError as error:
        raise CloudError(f"cannot make {device} in the server: {error.strerror}") from error


def remove_node(init: int, device: str, *, serial: str) -> None:
    """Undo :func:`make_node`; what is gone already is fine."""
    with suppress(OSError), _opened(init) as dev:
        with suppress(FileNotFoundError):
            os.unlink(PurePosixPath(device).name, dir_fd=dev)
        with _opened_below(dev, "disk", "by-id") as folder:
            os.unlink(_alias(serial), dir_fd=folder)


def _alias(serial: str) -> str:
    """The name that udev gives a disk on a cloud with KVM."""
    return f"virtio-{serial[:20]}"


@contextmanager
def _opened(init: int) -> Iterator[int]:
    root = os.open(f"/proc/{init}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        dev = os.open("dev", _FOLDER, dir_fd=root)
    finally:
        os.close(root)
    try:
        yield dev
    finally:
        os.close(dev)


@contextmanager
def _opened_below(folder: int, *names: str) -> Iterator[int]:
    current = os.dup(folder)
    try:
        for name in names:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            inner = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)
