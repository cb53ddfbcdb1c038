"""Lists a server's block devices where programs look for them: /sys/block and /sys/dev/block.

There the kernel names them as they are on this machine (loop70000), among all of this machine's.
With a list of their own, lsblk, blkid, labels, identifiers and Ansible's facts are the server's.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path, PurePosixPath

from infraci.errors import CloudError
from infraci.local.host import loop_devices, mounts
from infraci.local.host.device_nodes import opened_below, opened_in
from infraci.local.host.host_interface import Disk

_BY_NAME, _BY_NUMBER = "/sys/block", "/sys/dev/block"
#: What the lists are mounted as, by which the next call knows them.
_SOURCE = "volumes"


def list_disk(init: int, netns: Path, disk: Disk) -> None:
    """Have the server of a process list a disk and its partitions. Raises CloudError."""
    mounts.cover(init, netns, (_BY_NAME, _BY_NUMBER), source=_SOURCE)
    forget_disk(init, disk)
    name, device = PurePosixPath(disk.device).name, f"loop{disk.numbers[1]}"
    parts = loop_devices.partitions(disk.numbers[1])
    try:
        with opened_in(init, "sys", "block") as folder, opened_below(folder, name) as shown:
            for each in Path("/sys/block", device).iterdir():
                is_part = (each / "partition").exists()
                link = name + each.name.removeprefix(f"{device}p") if is_part else each.name
                os.symlink(f"/sys/devices/virtual/block/{device}/{each.name}", link, dir_fd=shown)
        with opened_in(init, "sys", "dev", "block") as folder:
            os.symlink(f"../../block/{name}", _text(disk.numbers), dir_fd=folder)
            for part, numbers in parts.items():
                link = f"../../block/{name}/{name}{part}"
                os.symlink(link, _text(numbers), dir_fd=folder)
    except OSError as error:
        raise CloudError(f"cannot list {disk.device} in the server: {error.strerror}") from error


def forget_disk(init: int, disk: Disk) -> None:
    """Undo :func:`list_disk`; what is gone already is fine."""
    name = PurePosixPath(disk.device).name
    with suppress(OSError), opened_in(init, "sys", "block") as folder:
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
    with suppress(OSError), opened_in(init, "sys", "dev", "block") as folder:
        for link in os.listdir(folder):  # noqa: PTH208 (a folder that is open)
            path = PurePosixPath(os.readlink(link, dir_fd=folder))
            if name in path.parts:
                os.unlink(link, dir_fd=folder)


def _text(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}:{numbers[1]}"
