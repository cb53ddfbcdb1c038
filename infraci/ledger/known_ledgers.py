"""The ledgers of this machine: finds out whether the record of a run is lost.

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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from infraci.base.atomic import create_file
from infraci.base.state_folder import state_folder
from infraci.errors import InfraciError
from infraci.ledger.ledger import Ledger

_ID = "infraci-ledger"
_ID_FORM = re.compile(r"[0-9a-f]{16}")
#: The link to a repository that is gone is removed when it is older: no stack lives so long.
_FORGET_S = 90 * 86400.0


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
