"""The owner of a run, in tags: every user and machine can read from them what may be removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infraci.base.process import is_alive, this_host
from infraci.ledger.ledger import is_id

TAG = "infraci"
#: What our stacks and key pairs are called, before the run's id.
PREFIX = "infraci-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """What the tags of a stack say."""

    run_id: str
    expires: float  # seconds since the epoch
    host: str
    process: str = ""  # "PID.START"; only where nothing may outlive the process
    user: int | None = None  # on that host; None if an older infraci made the tags
    ledger: str = (
        ""  # the id of the one that has the run's record; see infraci/ledger/known_ledgers.py
    )

    def tags(self) -> tuple[str, ...]:
        """As Heat's stack tags (80 characters at most, no commas)."""
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
        """As the comment of a public key, which a cloud keeps with the key pair."""
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
    """Those that all stacks of a run have, and no others."""
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
