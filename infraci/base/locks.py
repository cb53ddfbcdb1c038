"""Files that one process at a time locks, by flock(2); the kernel unlocks them when it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infraci.base.deadline import waits
from infraci.errors import InfraciError

#: Between two tries, in seconds: the first wait, and the longest.
_FIRST_S, _CEILING_S = 0.005, 0.2
#: A folder is locked for looks at what is in it, which take no time, unless the disk hangs.
_GUARD_S = 30.0


def lock_file(descriptor: int, *, timeout_s: float) -> bool:
    """Lock an open file for this process alone; False if another process has it all that time.

    The kernel's own wait has no limit, so this one polls. Closing the descriptor unlocks the file.
    """
    ends = time.monotonic() + timeout_s
    for wait_s in waits(_FIRST_S, _CEILING_S):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left_s = ends - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(wait_s, left_s))
        else:
            return True
    raise AssertionError("waits() never ends")


def open_lock(path: Path) -> int:
    """A descriptor of a file to be locked, which is made if need be. Raises OSError.

    Only its owner may open the file; programs that are started do not inherit the descriptor.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def acquire(path: Path, *, timeout_s: float) -> int | None:
    """Lock a file, as :func:`lock_file` does; returns its descriptor, or None. Raises OSError."""
    descriptor = open_lock(path)
    if lock_file(descriptor, timeout_s=timeout_s):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def locked(path: Path, *, timeout_s: float, purpose: str) -> Iterator[None]:
    """In here this process alone holds the lock of a file.

    Raises InfraciError, which names the purpose ("send alerts"), if another process keeps it
    longer than ``timeout_s``, and OSError.
    """
    descriptor = acquire(path, timeout_s=timeout_s)
    if descriptor is None:
        raise InfraciError(f"cannot {purpose}: another process keeps {path} locked")
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(descriptor: int) -> bool:
    """Whether another process has locked the file.

    To find out, this process shares the lock for a moment: :func:`lock_file` needs a ``timeout_s``
    above zero where other processes look.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


@contextmanager
def guarding(folder: Path) -> Iterator[None]:
    """In here this process alone looks at a folder's locks, or takes one. Raises OSError.

    Else a look at a lock, which shares it for a moment, could be mistaken for its holder.
    """
    descriptor = open_folder(folder)
    try:
        if not lock_file(descriptor, timeout_s=_GUARD_S):
            raise TimeoutError(None, "another process keeps the folder locked", str(folder))
        yield
    finally:
        os.close(descriptor)


def open_folder(folder: Path) -> int:
    """A descriptor of a folder, to be locked; programs that are started do not inherit it."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
