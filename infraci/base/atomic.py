"""Files that are replaced or created in one step: a reader sees the old content or the new.

That holds for a process that is killed and for a machine that loses power: the content is on the
disk before the name is (``fsync``), and the name before the function returns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infraci.base.locks import open_folder
from infraci.base.temporary import draft_of

#: The permissions of a file that only its owner may read, and of one that the umask decides.
PRIVATE, SHARED = 0o600, 0o666


def replace_file(path: Path, content: bytes | str, *, mode: int = PRIVATE) -> None:
    """Write a file, whose folder is there, in place of an earlier one. Raises OSError.

    ``mode`` are its permissions, of which the umask takes some away; text is written as UTF-8.
    """
    with _draft(path, content, mode) as draft:
        draft.replace(path)


def create_file(path: Path, content: bytes | str, *, mode: int = PRIVATE) -> bool:
    """Write a file unless there is one: returns False if there was. Raises OSError.

    Of several processes that do so at once, one creates the file.
    """
    with _draft(path, content, mode) as draft, suppress(FileExistsError):
        path.hardlink_to(draft)
        return True
    return False


@contextmanager
def _draft(path: Path, content: bytes | str, mode: int) -> Iterator[Path]:
    """A file beside another, with the content; removed at the end, if it is still there."""
    draft = draft_of(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
        folder = open_folder(path.parent)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)
