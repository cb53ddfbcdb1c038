"""The owner of a run: the tags that name it on a cloud, and the ledgers that have run records.

Every user and machine can read from the tags what may be removed.

Each ledger has an id, in its repository's git folder: there it outlives ``rm -rf .infraci`` and
``git clean``, and no clone inherits it. The user's state folder has a link from the id to the
repository. A record is lost only if the repository is there, by that id, and has no such record:
one that was moved, or whose disk is not mounted, may still have it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infraci.base.atomic import create_file
from infraci.base.process import is_alive, this_host
from infraci.base.state_folder import state_folder
from infraci.errors import InfraciError
from infraci.ledger.ledger import Ledger, is_id

TAG = "infraci"
#: What our stacks and key pairs are called, before the run's id.
PREFIX = "infraci-"
_ID = "infraci-ledger"
_ID_FORM = re.compile(r"[0-9a-f]{16}")
#: The link to a repository that is gone is removed when it is older: no stack lives so long.
_FORGET_S = 90 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What the tags of a stack say."""

    run_id: str
    expires: float  # seconds since the epoch
    host: str
    process: str = ""  # "PID.START"; only where nothing may outlive the process
    user: int | None = None  # on that host; None if an older infraci made the tags
    ledger: str = ""  # the id of the one that has the run's record; see register

    def tags(self) -> tuple[str, ...]:
        """The owner as Heat's stack tags (80 characters at most, no commas)."""
        tags = [
            *tags_of_run(self.run_id),
            f"{TAG}-expires={self.expires:.0f}",
            f"{TAG}-host={self.host}",
        ]
        if self.user is not None:
            tags.append(f"{TAG}-user={self.user}")
        if self.ledger:
            tags.append(f"{TAG}-ledger={self.ledger}")
        return (*tags, f"{TAG}-pid={self.process}") if self.process else tuple(tags)

    def comment(self) -> str:
        """The owner as the comment of a public key, which a cloud keeps with the key pair."""
        return " ".join(self.tags())

    def is_expired(self, now: float) -> bool:
        """Whether every user may remove it."""
        return self.expires <= now

    @property
    def is_kept(self) -> bool:
        """Whether it is to outlive its process: it was kept on purpose."""
        return not self.process

    def is_orphan(self) -> bool:
        """Whether its process, that it was not to outlive, was on this machine and is dead."""
        return bool(self.process) and self.host == this_host() and not is_alive(self.process)


def tags_of_run(run_id: str) -> tuple[str, ...]:
    """The tags that all stacks of a run have, and that no other stack has."""
    return TAG, f"{TAG}-run={run_id}"


def read_ownership(tags: Iterable[str]) -> Ownership | None:
    """What tags say; None if they are not ours, or not whole."""
    values: Mapping[str, str] = {
        name.removeprefix(f"{TAG}-"): value
        for name, equals, value in (tag.partition("=") for tag in tags)
        if equals and name.startswith(f"{TAG}-")
    }
    try:
        if not is_id(values["run"]):
            return None
        return Ownership(
            run_id=values["run"],
            expires=float(int(values["expires"])),
            host=values["host"],
            process=values.get("pid", ""),
            user=int(values["user"]) if "user" in values else None,
            ledger=values.get("ledger", ""),
        )
    except (KeyError, ValueError):
        return None


def read_key_comment(public_key: str) -> Ownership | None:
    """What the comment of a public key says."""
    words = public_key.split()
    return read_ownership(words[2:]) if TAG in words[2:] else None


def register(ledger: Ledger) -> str:
    """Register a ledger, so that the user's other repositories find it; returns its id.

    Empty where that cannot be: outside of a repository, on a full disk, or for a folder
    ``.infraci`` that is on a disk of its own, which may be unmounted alone.
    """
    try:
        if not _is_plain(ledger):
            return ""
        id_ = _read_id(ledger.root) or _make_id(ledger.root)
        digest = hashlib.sha256(os.fsencode(ledger.root)).hexdigest()[:12]
        link = _folder() / f"{id_}.{digest}"
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            link.symlink_to(ledger.root)
    except (OSError, ValueError):
        return ""
    return id_


def is_lost(id_: str, run_id: str) -> bool | None:
    """Whether the ledger of that id no longer has the record of a run; None if nothing tells.

    A repository that was copied has the same id: all that are known must be there.
    """
    if not _ID_FORM.fullmatch(id_):  # a stack's tags are untrusted text
        return None
    ledgers = [Ledger(root) for root in _known(id_)]
    try:
        if any(run_id in ledger.ids() for ledger in ledgers):
            return False
        there = [_read_id(ledger.root) == id_ and _is_plain(ledger) for ledger in ledgers]
    except (InfraciError, OSError, ValueError):
        return None
    return True if there and all(there) else None


def forget_old(now: float | None = None) -> None:
    """Remove the links to repositories that are gone for good."""
    oldest = (time.time() if now is None else now) - _FORGET_S
    for link in _folder().glob("*.*"):
        with suppress(OSError):
            if link.lstat().st_mtime < oldest and _git_folder(link.readlink()) is None:
                link.unlink()


def _folder() -> Path:
    return state_folder() / "ledgers"


def _known(id_: str) -> Iterator[Path]:
    """The repositories that have, or had, that id."""
    for link in _folder().glob(f"{id_}.*"):
        with suppress(OSError):
            yield link.readlink()


def _is_plain(ledger: Ledger) -> bool:
    """Whether the ledger's folders are on the disk of its repository, or not made yet."""
    disk = ledger.root.stat().st_dev
    for folder in (ledger.home, ledger.runs):
        with suppress(FileNotFoundError):
            if folder.is_symlink() or folder.stat().st_dev != disk:
                return False
    return True


def _git_folder(root: Path) -> Path | None:
    """The git folder of a work tree; None where there is none."""
    git = root / ".git"
    if git.is_dir():
        return git
    with suppress(OSError, ValueError):
        kind, _, folder = git.read_text().strip().partition(": ")
        if kind == "gitdir" and (root / folder).is_dir():
            return root / folder
    return None


def _read_id(root: Path) -> str:
    """The id of a repository's ledger; empty where there is none."""
    if (folder := _git_folder(root)) is None:
        return ""
    try:
        return (folder / _ID).read_text().strip()
    except FileNotFoundError:
        return ""


def _make_id(root: Path) -> str:
    """Give a repository's ledger an id; the one of another process that does so at once wins."""
    if (folder := _git_folder(root)) is None:
        raise FileNotFoundError(None, "there is no git folder", str(root))
    create_file(folder / _ID, secrets.token_hex(8))
    return (folder / _ID).read_text().strip()
