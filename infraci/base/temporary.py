"""Temporary folders that name the process they belong to, so that a later process removes them.

A process that is killed (SIGKILL, a lost machine) removes nothing. A name here ends with
``.HOST.PID.START.RANDOM``: which process it was, and on which machine that number counts, for
containers and machines may share a folder. Only processes of the same machine can tell that it
died. Where any of them shall remove what is left, a folder is locked instead
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


def choose_place() -> None:
    """Have this process make temporary files where there is a folder for them, full or not.

    Python's own choice writes a file in each, and says of full disks and of too few open files
    that there is no such folder.
    """
    places = (os.environ.get("TMPDIR"), _COMMON, "/var/tmp")  # noqa: S108
    usable = (place for place in places if place and os.access(place, os.W_OK | os.X_OK))
    tempfile.tempdir = tempfile.tempdir or next(usable, None)


@contextmanager
def temporary_folder(kind: str, *, place: str | Path | None = None) -> Iterator[Path]:
    """A private folder that is removed at the end, or by a later process if this one is killed."""
    folder = make_folder(kind, place=place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(kind: str, *, place: str | Path | None = None) -> Path:
    """The same for a caller that removes it itself. Raises OSError."""
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}.{_this_mark()}.", dir=place))


def draft_of(path: Path) -> Path:
    """A new name for a hidden file beside another, that names this process."""
    return path.with_name(f".{path.name}.{_this_mark()}.{secrets.token_hex(4)}")


def remove_dead(*places: Path) -> int:
    """Remove from some folders what processes of this user that died have left; returns how many.

    Without places, from those where temporary folders are made.
    """
    found = {
        entry
        for place in places or (Path(tempfile.gettempdir()), Path(_COMMON))
        for entry in place.glob(".*.*.*.*.*" if places else f"{_PREFIX}*.*.*.*.*")
        if _is_dead(entry)
    }
    for entry in found:
        shutil.rmtree(entry, ignore_errors=True)
        with suppress(OSError):
            entry.unlink(missing_ok=True)
    return len(found)


@contextmanager
def locked_folder(kind: str, *, place: Path) -> Iterator[Path]:
    """A new folder in a place, locked until it is removed at the end. Raises OSError.

    The kernel unlocks it when this process and those that it has forked have ended, in whichever
    container; then any process that has the place removes it, by :func:`remove_unlocked`.
    """
    with guarding(place):
        folder = place / f"{kind}.{secrets.token_hex(4)}"
        folder.mkdir()
        lock = open_folder(folder)
        lock_file(lock, timeout_s=0)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_unlocked(place: Path) -> int:
    """Remove the folders in a place that no living process has locked; returns how many.

    Raises OSError where the place cannot be read.
    """
    return sum(_remove_unlocked(folder) for folder in place.iterdir())


def _remove_unlocked(folder: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):  # removed meanwhile, or none of ours
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
    """Say to all users of this machine that this process is at work on something.

    Returns the sign, to be removed by ``rmdir``; None where none can be made.
    """
    with suppress(OSError):
        return make_folder(what, place=_COMMON)
    return None


def has_sign(what: str, *, users: Collection[int]) -> bool:
    """Whether a living process of one of these users (by number) has put such a sign.

    A sign is a folder, and a user can neither give a folder away nor link to it: what another user
    puts there under the same name is that user's.
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
