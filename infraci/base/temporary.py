"""Temporary folders that name the process they belong to, so that a later process removes them.

A process that is killed (SIGKILL, a lost machine) removes nothing. A name here ends with
``.HOST.PID.START.RANDOM``: which process it was, and on which machine that number counts, for
containers and machines may share a folder. Only processes of the same machine can tell that it
died. A folder that any machine's process may remove is locked instead
(:func:`locked_folder`).
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infraci.base.locks import guarding, lock_file, open_folder
from infraci.base.process import is_alive, this_host, this_process

_PREFIX = "infraci-"
_NAMED = re.compile(r"\.([0-9a-f]+)\.([0-9]+\.[0-9]+)\.[^.]+\Z")
#: Where all users and all of a user's processes look, whatever their TMPDIR.
_COMMON = "/tmp"  # noqa: S108


def choose_folder() -> None:
    """Choose the folder for this process's temporary files without writing to it.

    Python's own choice writes a file in each folder, and reports full disks and too few open files
    as a missing folder.
    """
    folders = (os.environ.get("TMPDIR"), _COMMON, "/var/tmp")  # noqa: S108
    usable = (f for f in folders if f and os.access(f, os.W_OK | os.X_OK))
    tempfile.tempdir = tempfile.tempdir or next(usable, None)


@contextmanager
def temporary_folder(kind: str, *, parent: str | Path | None = None) -> Iterator[Path]:
    """A private folder that is removed at the end, or by a later process if this one is killed."""
    folder = make_folder(kind, parent=parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(kind: str, *, parent: str | Path | None = None) -> Path:
    """Make such a folder, for a caller that removes it itself. Raises OSError."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}.{_this_mark()}.", dir=parent))


def draft_of(path: Path) -> Path:
    """A new name for a hidden file beside another, that names this process."""
    return path.with_name(f".{path.name}.{_this_mark()}.{secrets.token_hex(4)}")


def remove_dead(*parents: Path) -> int:
    """Remove the files and folders that dead processes of this user have left; returns how many.

    Looks in these parents; without any, in the folders where temporary folders are made.
    """
    dead = {
        entry
        for parent in parents or (Path(tempfile.gettempdir()), Path(_COMMON))
        for entry in parent.glob(".*.*.*.*.*" if parents else f"{_PREFIX}*.*.*.*.*")
        if _is_dead(entry)
    }
    for entry in dead:
        shutil.rmtree(entry, ignore_errors=True)
        with suppress(OSError):
            entry.unlink(missing_ok=True)
    return len(dead)


@contextmanager
def locked_folder(kind: str, *, parent: Path) -> Iterator[Path]:
    """A new folder below a parent, locked until it is removed at the end. Raises OSError.

    The kernel unlocks it when this process and those that it has forked have ended, in any
    container; then any process that sees the parent can remove it, by :func:`remove_unlocked`.
    """
    with guarding(parent):
        folder = parent / f"{kind}.{secrets.token_hex(4)}"
        folder.mkdir()
        lock = open_folder(folder)
        lock_file(lock, timeout_s=0)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_unlocked(parent: Path) -> int:
    """Remove the folders below a parent that no living process has locked; returns how many.

    Raises OSError if the parent cannot be read.
    """
    return sum(_remove_unlocked(folder) for folder in parent.iterdir())


def _remove_unlocked(folder: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile, or another file
        with guarding(folder.parent):
            lock = open_folder(folder)
            is_ours = lock_file(lock, timeout_s=0)
        try:
            if is_ours:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
        return is_ours
    return False


def put_sign(what: str) -> Path | None:
    """Show all users of this machine that this process works on something, by a folder's name.

    Returns the folder, to be removed by ``rmdir``; None if it cannot be made.
    """
    with suppress(OSError):
        return make_folder(what, parent=_COMMON)
    return None


def has_sign(what: str, *, users: Collection[int]) -> bool:
    """Whether a living process of one of these users (by number) has made such a folder.

    A user can neither give a folder away nor link to it: a folder that another user makes under the
    same name belongs to that user.
    """
    for entry in Path(_COMMON).glob(f"{_PREFIX}{what}.*.*.*.*"):
        named = _NAMED.search(entry.name)
        with suppress(OSError):
            status = entry.lstat()
            ours = stat.S_ISDIR(status.st_mode) and status.st_uid in users
            if ours and named and named[1] == this_host() and is_alive(named[2]):
                return True
    return False


def _is_dead(entry: Path) -> bool:
    """Whether an entry of this user names a process of this machine that does not run."""
    named = _NAMED.search(entry.name)
    if named is None or named[1] != this_host() or is_alive(named[2]):
        return False
    with suppress(OSError):
        return entry.lstat().st_uid == os.geteuid()
    return False


def _this_mark() -> str:
    return f"{this_host()}.{this_process()}"
