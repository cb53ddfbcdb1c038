"""Makes files block devices, by the kernel's loop devices.

Each gets a number that was chosen at random, so that no server which kept an earlier device's node
can open another volume by it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from infraci.base.deadline import Deadline
from infraci.errors import CloudError, PhaseTimeoutError

CONTROL = Path("/dev/loop-control")
#: The kernel's major number of loop devices, and that of their partitions (and of others').
MAJOR, PARTITION_MAJOR = 7, 259
#: Numbers below are those that programs take by themselves.
_FIRST, _LAST = 1 << 16, (1 << 20) - 1
_LOOP_CTL_REMOVE = 0x4C81  # linux/loop.h
_QUICK_S = 30.0
_UNMOUNT_S = 20.0
#: The first sectors, with either kind of table: that of a GPT ends there.
_TABLE_BYTES = 34 * 512


def bind(file: Path, *, read_only: bool) -> int:
    """Make a file a block device, unless it is one; returns the device's minor number."""
    for minor in bound(file.parent).get(file.name, ()):
        return minor
    minor = secrets.choice(range(_FIRST, _LAST))
    options = ["--partscan", *(["--read-only"] if read_only else [])]
    _losetup([*options, "--", f"/dev/loop{minor}", str(file)], f"make {file.name} a block device")
    return minor


def unbind(file: Path) -> None:
    """Undo :func:`bind`; it takes effect when the last program that has it open closes it."""
    for minor in bound(file.parent).get(file.name, ()):
        release(minor)


def release(minor: int) -> None:
    """Free a loop device, and remove it.

    A file system of a server that has just ended is on it for a moment more: it must not be written
    after another has the file.
    """
    _await_unmounted(minor)
    _losetup(["--detach", f"/dev/loop{minor}"], f"free /dev/loop{minor}")
    control = os.open(CONTROL, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _LOOP_CTL_REMOVE, minor)
    except OSError:  # a program still has it open: it is free when that ends
        pass
    finally:
        os.close(control)


def _await_unmounted(minor: int) -> None:
    with suppress(PhaseTimeoutError):
        for _ in Deadline(_UNMOUNT_S).poll("an unmount", first_s=0.01, ceiling_s=0.2):
            try:
                os.close(os.open(f"/dev/loop{minor}", os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
            except OSError as error:
                if error.errno == errno.EBUSY:
                    continue
            return


def grow(file: Path) -> None:
    """Tell a file's block device that the file is larger now."""
    for minor in bound(file.parent).get(file.name, ()):
        _losetup(["--set-capacity", f"/dev/loop{minor}"], f"grow /dev/loop{minor}")


def partitions(minor: int) -> dict[int, tuple[int, int]]:
    """The partitions of a loop device that the kernel knows → the numbers of their devices."""
    parts = {}
    for folder in Path(f"/sys/block/loop{minor}").glob(f"loop{minor}p*"):
        with suppress(FileNotFoundError):
            major, _, number = (folder / "dev").read_text().strip().partition(":")
            parts[int((folder / "partition").read_text())] = (int(major), int(number))
    return parts


def partition_table(minor: int) -> bytes:
    """What a device says of its partitions, as it is now; empty for a device that is gone."""
    try:
        device = os.open(f"/dev/loop{minor}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(device, _TABLE_BYTES, 0)
    except OSError:
        return b""
    finally:
        os.close(device)


def read_partitions(minor: int) -> None:
    """Have the kernel know the partitions that the device says it has now."""
    device = f"/dev/loop{minor}"
    with suppress(CloudError):  # a table that is half written is read again when it is whole
        try:
            _run(["blockdev", "--rereadpt", "--", device], "read partitions")
        except CloudError:  # a partition is in use: the others can change
            _run(["partx", "--update", "--", device], "read partitions")


def bound(folder: Path) -> dict[str, list[int]]:
    """The minor numbers of the block devices of a folder's files, by the files' names.

    Those that were freed and that a program still has open do not count: they end with it.
    """
    listed = _losetup(
        ["--list", "--json", "--output=NAME,BACK-FILE,AUTOCLEAR"], "list loop devices"
    )
    devices: dict[str, list[int]] = {}
    for each in json.loads(listed or '{"loopdevices": []}')["loopdevices"]:
        file = Path(str(each["back-file"] or "").removesuffix(" (deleted)"))
        if file.parent == folder and not each["autoclear"]:
            minor = int(str(each["name"]).removeprefix("/dev/loop"))
            devices.setdefault(file.name, []).append(minor)
    return devices


def _losetup(arguments: Sequence[str], verb: str) -> str:
    return _run(["losetup", *arguments], verb)


def _run(command: Sequence[str], verb: str) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_QUICK_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CloudError(f"cannot {verb}: {error}") from error
    if done.returncode != 0:
        raise CloudError(f"cannot {verb}: {done.stderr.strip()}")
    return done.stdout
