"""Keeps the content of objects in files, each named by an id and written once.

A file is whole and on the disk before its id is given out, so that a record that names one is never
without it. A file that no record names is what a killed process has left.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from infraci.base.locks import open_folder
from infraci.local.errors import NoRoomError
from infraci.local.host.disk_space import NEEDED_BYTES, DiskSpace

#: So much is written between two looks at the disk.
_LOOK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an object holds: the id of its file, its size, and its MD5 sum."""

    id: str
    size: int
    md5: str


class ObjectFiles:
    """The files of a folder, which is made when it is needed. Threads may share it."""

    def __init__(self, folder: Path, disk_space: DiskSpace) -> None:
        self._folder = folder
        self._disk_space = disk_space

    def write(self, chunks: Iterable[bytes], *, size: int = 0) -> Content:
        """Write a new file, of that size as far as it is known.

        Raises NoRoomError where it would fill the disk; keeps nothing then.
        """
        self.check_room(size)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        id_ = uuid4().hex
        path = self._folder / id_
        try:
            return self._write(path, chunks)
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoRoomError(f"the disk of {self._folder} is full") from error
            raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _write(self, path: Path, chunks: Iterable[bytes]) -> Content:
        size, looked_at, digest = 0, 0, hashlib.md5(usedforsecurity=False)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size - looked_at >= _LOOK_BYTES:
                    looked_at = size
                    self.check_room(len(chunk))
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        self._sync_folder()
        return Content(id=path.name, size=size, md5=digest.hexdigest())

    def _sync_folder(self) -> None:
        folder = open_folder(self._folder)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def open(self, id_: str) -> BinaryIO:
        """Open a file to be read; it can be removed meanwhile."""
        return (self._folder / id_).open("rb")

    def remove(self, id_: str) -> None:
        """Remove a file; one that is gone already is fine."""
        (self._folder / id_).unlink(missing_ok=True)

    def sweep(self, known: Collection[str]) -> None:
        """Remove the files that are not known."""
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    def check_room(self, needed: int = 0) -> None:
        """Raise NoRoomError if the disk has no room for so many bytes."""
        if shortage := self._disk_space.shortage(NEEDED_BYTES + needed):
            raise NoRoomError(shortage)
