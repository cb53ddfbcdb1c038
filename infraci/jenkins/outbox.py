"""The outbox of commits for Jenkins: a file each, in the order of their pushes.

Adding a commit never waits for Jenkins. The sender holds a lock, and removes a file only after
Jenkins has queued its commit: commits are sent at least once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infraci.base.locks import locked
from infraci.errors import InfraciError

#: Another process may be sending many commits, and retrying each of them.
_LOCK_S = 600.0
_NAME = re.compile(r"(\d{20})-(\d{6})-([0-9a-f]{40}(?:[0-9a-f]{24})?)\Z")


class Outbox:
    """The folder ``infraci/outbox`` of a repository."""

    def __init__(self, git_dir: Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.folder = git_dir / "infraci" / "outbox"
        self._clock_ns = clock_ns

    def put(self, shas: Sequence[str]) -> None:
        """Add commits, to be sent in this order."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            now = self._clock_ns()
            for number, sha in enumerate(shas):
                (self.folder / f"{now:020}-{number:06}-{sha}").touch()
        except OSError as error:
            raise InfraciError(
                f"cannot queue commits in {self.folder}: {error.strerror}"
            ) from error

    def waiting(self) -> list[str]:
        """The commits in the outbox, in the order in which they are sent."""
        return [sha for _, sha in self._files()]

    def send(self, one: Callable[[str], object]) -> int:
        """Send all commits, one by one; returns their number. An exception of ``one`` ends it.

        A second process waits for the first, and sends the commits that were added since.
        """
        sent = 0
        with self._lock():
            while files := self._files():
                for path, sha in files:
                    one(sha)
                    path.unlink()
                    sent += 1
        return sent

    def _files(self) -> list[tuple[Path, str]]:
        if not self.folder.is_dir():
            return []
        matches = ((path, _NAME.match(path.name)) for path in sorted(self.folder.iterdir()))
        return [(path, match[3]) for path, match in matches if match]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder / "lock", timeout_s=_LOCK_S, purpose="send commits to Jenkins"):
            yield
