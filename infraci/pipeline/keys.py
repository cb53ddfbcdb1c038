"""The keys that are made for a run, kept in its folder, and removed with its stack."""

from __future__ import annotations

from pathlib import Path

from infraci.pipeline.owner import read_ownership
from infraci.pipeline.work import LOGIN_KEY, Work
from infraci.ssh import Key, generate_key

_HOST_KEY = "host_key"


def login_key(work: Work) -> Key:
    """With which infraci logs in; a run that is resumed has it already."""
    return _key(work, work.private_key)


def host_key(work: Work) -> Key:
    """With which servers show who they are, where keys are injected."""
    return _key(work, work.folder / _HOST_KEY)


def forget_keys(folder: Path) -> None:
    """Remove the private halves from a run's folder: nothing is left that they open."""
    for name in (LOGIN_KEY, _HOST_KEY):
        (folder / name).unlink(missing_ok=True)


def _key(work: Work, private: Path) -> Key:
    public = private.with_suffix(".pub")
    if private.exists() and public.exists():
        return Key(private_path=private, public=public.read_text().strip())
    owner = read_ownership(work.record.tags)
    comment = owner.comment() if owner else work.record.id
    return generate_key(private.parent, comment, name=private.name)
