"""The key pairs of a run: made when they are first needed, and kept in its folder."""

from __future__ import annotations

from pathlib import Path

from infraci.pipeline.owner import read_ownership
from infraci.pipeline.work import Work
from infraci.ssh import Key, generate_key


def login_key(work: Work) -> Key:
    """With which infraci logs in; a run that is resumed has it already."""
    return _key(work, work.private_key)


def host_key(work: Work) -> Key:
    """With which servers show who they are, where keys are injected."""
    return _key(work, work.folder.host_key)


def _key(work: Work, private: Path) -> Key:
    public = private.with_suffix(".pub")
    if private.exists() and public.exists():
        return Key(private_path=private, public=public.read_text().strip())
    owner = read_ownership(work.record.tags)
    comment = owner.comment() if owner else work.record.id
    return generate_key(private.parent, comment, name=private.name)
