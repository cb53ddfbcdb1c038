"""The ledger of a repository, ``.infraci/runs/``: a record and a lock for each run.

A run has a folder of its own, :class:`RunFolder`. Its record is replaced atomically, never edited.
The process at work on the run holds its lock (flock): the kernel releases it however that process
ends, so a run is alive exactly as long as a process works on it.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from infraci.base.atomic import SHARED, replace_file
from infraci.base.display import displayable
from infraci.base.invocation import invocation
from infraci.base.locks import guarding, is_locked, lock_file, open_lock
from infraci.base.temporary import has_sign, put_sign, remove_dead
from infraci.errors import InfraciError, UsageError
from infraci.ledger.run_folder import RunFolder
from infraci.model.problem import near
from infraci.model.record_json import dump_record, parse_record
from infraci.model.run import Commit, RunRecord

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # base32, lower case
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_WHOLE_ID = re.compile(rf"[a-z][a-z0-9-]*-[0-9a-f]{{8}}-[{_ALPHABET}]{{6}}\Z")
#: A run's files cannot be named to ssh by a path with one of these.
_UNUSABLE = re.compile(r"""[\x00-\x1f\x7f"]""")
_MAX_NAME = 32


class DamagedRunError(InfraciError):
    """A run whose record cannot be read."""

    def __init__(self, run_id: str, folder: RunFolder, reason: str) -> None:
        super().__init__(
            f"cannot read run {run_id}: {folder.record}: {reason}",
            hint=f"`{invocation('destroy', run_id)}` still finds what it left, by its tags; "
            "--cloud NAME says on which cloud, but for the embedded one",
        )
        self.run_id = run_id


class UnknownRunError(UsageError):
    """A run of which there is no record."""


class BusyRunError(UsageError):
    """A run that another process is at work on, with that process's purpose where it states one."""

    def __init__(self, run_id: str, *, holder: str, purpose: str = "") -> None:
        super().__init__(
            f"cannot lock run {run_id}: process {holder or '?'} is at work on it",
            hint="wait until it has ended, or interrupt it (Ctrl-C)",
        )
        self.purpose = purpose


class RunLock:
    """The lock of a run; ``release`` or the end of the process releases it.

    A context manager. Processes that this one starts do not inherit it, forked ones do.
    """

    def __init__(self, run_id: str, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._sign = put_sign(_sign_of(run_id))
        self._maker = os.getpid()

    def release(self) -> None:
        """Release the lock; again is no error."""
        if self._sign is not None and self._maker == os.getpid():
            with suppress(OSError):
                self._sign.rmdir()
            self._sign = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_at_work(run_id: str, *, user: int | None = None) -> bool:
    """Whether a process of this machine is at work on a run, of whichever repository.

    A lock is visible only to processes that know the repository; so its holder puts a sign as well.
    Signs of this user, of root, and of the ``user`` who began the run count; no other user's do.
    """
    users = {0, os.geteuid()} | ({user} if user is not None else set())
    return has_sign(_sign_of(run_id), users=users)


def is_id(text: str) -> bool:
    """Whether this can be a run's id."""
    return bool(_ID.match(text))


def is_whole_id(run_id: str) -> bool:
    """Whether this is a run's id from beginning to end, and not only how one begins."""
    return bool(_WHOLE_ID.match(run_id))


def _sign_of(run_id: str) -> str:
    return f"at-work-{run_id}"


class Ledger:
    """The runs of one repository; the root is its top."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / ".infraci"
        self.runs = self.home / "runs"

    def new_run_id(self, pipeline: str, commit: Commit) -> str:
        """A name for a new run: a host name, and a part of a Heat stack's name, not used yet."""
        slug = re.sub(r"[^a-z0-9]+", "-", pipeline.lower()).strip("-")[:_MAX_NAME].strip("-")
        slug = slug if slug[:1].isalpha() else f"p-{slug}".strip("-")
        while True:
            tail = "".join(secrets.choice(_ALPHABET) for _ in range(6))
            run_id = f"{slug}-{commit.sha[:8].lower()}-{tail}"
            if not self.folder(run_id).path.exists():
                return run_id

    def folder(self, run_id: str) -> RunFolder:
        """The folder of a run, which may not exist. Raises UsageError for what is no run's id."""
        if not is_id(run_id):
            raise UsageError(f'cannot find run "{run_id}": that is not a run\'s id')
        return RunFolder(self.runs / run_id)

    def create(self, record: RunRecord) -> RunLock:
        """Acquire a new run's lock, then write its record, so that it never looks dead.

        Raises UsageError where no ssh_config can name the path of its folder.
        """
        folder = self.folder(record.id).path
        if _UNUSABLE.search(str(folder)):
            raise UsageError(
                f"cannot make a run in {displayable(str(self.home.parent))}: the path holds a"
                " control character or a quotation mark, which no ssh_config can name",
                hint="move or rename the folder",
            )
        with _saying(f"cannot write the record of run {record.id}"):
            self.runs.mkdir(parents=True, exist_ok=True)
            self._ignore()
            folder.mkdir(mode=0o700)
            lock = self.lock(record.id)
            try:
                self._write(record)
            except BaseException:
                lock.release()
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return lock

    def update(self, record: RunRecord) -> None:
        """Replace a run's record, atomically; write it again should it have been deleted.

        On a full disk, that the run is destroyed is written all the same, as an empty file.
        """
        folder = self.folder(record.id)
        with _saying(f"cannot write the record of run {record.id}"):
            folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._write(record)
            except OSError as error:
                if not record.destroyed or error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                folder.destroyed_mark.touch()  # an empty file takes no room

    def load(self, run_id: str) -> RunRecord:
        """The record of a run. Raises UsageError when unknown, DamagedRunError when unreadable."""
        folder = self.folder(run_id)
        try:
            content = folder.record.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._unknown(run_id) from error
        except OSError as error:
            raise DamagedRunError(run_id, folder, error.strerror or str(error)) from error
        try:
            record = parse_record(content)
        except ValueError as error:
            raise DamagedRunError(run_id, folder, str(error)) from error
        if record.id != run_id:
            raise DamagedRunError(run_id, folder, f"it is the record of run {record.id}")
        if folder.destroyed_mark.exists():
            return replace(record, destroyed=True, leaks=())
        return record

    def ids(self) -> tuple[str, ...]:
        """Every run's id, also of those whose record is damaged."""
        try:
            names = sorted(entry.name for entry in self.runs.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise InfraciError(f"cannot read {self.runs}: {error.strerror}") from error
        return tuple(n for n in names if is_id(n) and self.folder(n).record.exists())

    def list(
        self, *, on_damaged: Callable[[DamagedRunError], None] | None = None
    ) -> tuple[RunRecord, ...]:
        """Every run, the oldest first; those that cannot be read go to the callable given."""
        records = []
        for run_id in self.ids():
            try:
                records.append(self.load(run_id))
            except DamagedRunError as error:
                if on_damaged is not None:
                    on_damaged(error)
            except UsageError:  # removed meanwhile
                continue
        return tuple(sorted(records, key=lambda record: (record.created, record.id)))

    def find(self, prefix: str) -> str:
        """The id of the one run that begins so, or of the latest one of a pipeline of that name.

        Runs that stand come before those that are destroyed. Raises UsageError for several, and
        UnknownRunError for none.
        """
        ids = self.ids()
        if prefix in ids:
            return prefix
        records = self.list()
        named = [record for record in records if record.pipeline == prefix]
        if named:
            return max(named, key=lambda record: (not record.destroyed, record.created)).id
        matches = [run_id for run_id in ids if prefix and run_id.startswith(prefix)]
        destroyed = {record.id for record in records if record.destroyed}
        matches = [run_id for run_id in matches if run_id not in destroyed] or matches
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = "".join(f"\n  {run_id}" for run_id in matches[:10])
            raise UsageError(
                f'cannot find run "{prefix}": {len(matches)} runs begin so{shown}',
                hint="give more of the id",
            )
        raise self._unknown(prefix)

    def lock(self, run_id: str, *, purpose: str = "") -> RunLock:
        """Acquire a run's lock for this process. Raises BusyRunError while another holds it.

        Processes that try meanwhile get the purpose in that error.
        """
        folder = self.folder(run_id)
        if not folder.path.is_dir():
            raise self._unknown(run_id)
        with _saying(f"cannot lock run {run_id}"), guarding(folder.path):
            descriptor = open_lock(folder.lock)
            try:
                if not lock_file(descriptor, timeout_s=0.0):
                    line = os.read(descriptor, 40).decode("ascii", "replace")
                    holder, _, its_purpose = line.strip().partition(" ")
                    raise BusyRunError(run_id, holder=holder, purpose=its_purpose)
                with suppress(OSError):  # works on a full disk, too
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()} {purpose}\n".encode())
            except BaseException:
                os.close(descriptor)
                raise
        return RunLock(run_id, descriptor)

    def is_alive(self, run_id: str) -> bool:
        """Whether a process (this one included) is at work on the run."""
        folder = self.folder(run_id)
        what = f"cannot look at the lock of run {run_id}"
        with (
            _saying(what),
            suppress(FileNotFoundError),
            guarding(folder.path),
            folder.lock.open("rb") as lock,
        ):
            return is_locked(lock.fileno())
        return False

    def remove(self, run_id: str) -> None:
        """Remove a run's folder; gone already is no error."""
        folder = self.folder(run_id)
        with _saying(f"cannot remove run {run_id}"), suppress(FileNotFoundError):
            folder.record.unlink(missing_ok=True)  # first: a folder without a record is no run
            shutil.rmtree(folder.path)

    def tidy(self) -> None:
        """Remove the half-written records of processes that were killed."""
        with suppress(OSError):
            remove_dead(self.home, *self.runs.iterdir())

    def _unknown(self, run_id: str) -> UnknownRunError:
        meant = near(run_id, self.ids())
        hint = f'did you mean "{meant}"?' if meant else "`infraci list` shows the runs"
        return UnknownRunError(f"cannot find run {run_id}", hint=hint)

    def _write(self, record: RunRecord) -> None:
        replace_file(self.folder(record.id).record, dump_record(record))

    def _ignore(self) -> None:
        """Hide everything here from git, without touching the user's own .gitignore."""
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            replace_file(ignore, "*\n", mode=SHARED)


@contextmanager
def _saying(what: str) -> Iterator[None]:
    """Translate the system's errors: a full disk, a read-only file system, no permission."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise InfraciError(f"{what}: {error.strerror or error}{where}") from error
