"""Keeps what is on volumes and snapshots in sparse files: they cost only what was written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection
from pathlib import Path

from infraci.errors import CloudError
from infraci.local.host import loop_devices

_GB = 1 << 30
#: A copy of a large volume takes its time.
_COPY_S = 600.0


class VolumeFiles:
    """The files of a folder, one for each volume or snapshot, by its id."""

    def __init__(self, folder: Path, *, control: Path = loop_devices.CONTROL) -> None:
        """The folder is made when it is needed; ``control`` is there where loop devices are."""
        self._folder = folder
        self._control = control

    def check(self) -> None:
        """Raise CloudError if this machine has no loop devices, by which files are disks."""
        if not self._control.exists():
            raise CloudError(
                "cannot make volumes on this machine: it has no loop devices",
                hint="load the kernel's module loop: modprobe loop",
            )

    def path(self, id_: str) -> Path:
        """The file of a volume or snapshot."""
        return self._folder / id_

    def create(self, id_: str, size_gb: int, *, source: str | None = None) -> None:
        """Make a file, empty or a copy of another, in place of any there was."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(id_)
        path.unlink(missing_ok=True)
        try:
            if source:
                _copy(self.path(source), path)
            self._resize(path, size_gb)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def extend(self, id_: str, size_gb: int) -> None:
        """Make a file larger."""
        self._resize(self.path(id_), size_gb)
        loop_devices.grow(self.path(id_))

    def bind(self, id_: str, *, read_only: bool) -> tuple[int, int]:
        """Make a file a block device, if it is none; returns the device's numbers."""
        return loop_devices.MAJOR, loop_devices.bind(self.path(id_), read_only=read_only)

    def unbind(self, id_: str) -> None:
        """Undo :meth:`bind`."""
        loop_devices.unbind(self.path(id_))

    def _resize(self, path: Path, size_gb: int) -> None:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, size_gb * _GB)
            finally:
                os.close(file)
        except OSError as error:
            raise CloudError(f"cannot make a disk of {size_gb} GB: {error.strerror}") from error

    def remove(self, id_: str) -> None:
        """Remove a file; one that is gone already is fine."""
        if self.path(id_).exists():
            self.unbind(id_)
            self.path(id_).unlink(missing_ok=True)

    def sweep(self, *, known: Collection[str], in_use: Collection[str], dry_run: bool) -> list[str]:
        """Remove files that are not known, and devices not in use; returns a line for each."""
        if not self._folder.is_dir():
            return []
        unknown = sorted(path.name for path in self._folder.iterdir() if path.name not in known)
        if not dry_run:
            for name in unknown:
                self.remove(name)
        idle = {
            name: minors
            for name, minors in loop_devices.bound(self._folder).items()
            if name not in in_use and name not in unknown
        }
        if not dry_run:
            for minors in idle.values():
                for minor in minors:
                    loop_devices.release(minor)
        return [f"volume {name}" for name in unknown] + [
            f"block device of volume {name}" for name in sorted(idle)
        ]


def _copy(source: Path, target: Path) -> None:
    command = ["cp", "--sparse=always", "--reflink=auto", "--", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COPY_S)
    if done.returncode != 0:
        raise CloudError(f"cannot copy a disk: {done.stderr.strip()}")
