"""Finds what dead, expired and lost runs have left: by the ledger, and by tags on the clouds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from infraci.base.deadline import Deadline
from infraci.base.invocation import invocation
from infraci.base.process import is_alive, this_host
from infraci.errors import UsageError
from infraci.heat import FoundStack, Keypair, Mark
from infraci.ledger.ledger import Ledger, is_at_work
from infraci.ledger.ownership import (
    PREFIX,
    TAG,
    Ownership,
    is_lost,
    read_key_comment,
    read_ownership,
    tags_of_run,
)
from infraci.model.pipeline import DestroyPolicy
from infraci.model.run import RunRecord
from infraci.pipeline.destroy_phase import DESTROY_S, remove
from infraci.pipeline.drivers import Remover

_LOOK_S = 60.0


class Sweeper(Remover, Protocol):
    """The calls of gc to a cloud."""

    def find_stacks(self, tags: Iterable[str]) -> tuple[FoundStack, ...]: ...  # noqa: D102

    def keypairs(self) -> tuple[Keypair, ...]: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageItem:
    """Something that may be removed, and why."""

    what: str  # "run", "stack", "key pair"
    name: str
    why: str
    remove: Callable[[], None]


def reason_of(record: RunRecord, ledger: Ledger, now: float) -> str | None:
    """Why a run's stack may be removed; None for what is at work or kept on purpose."""
    if record.destroyed or ledger.is_alive(record.id):
        return None
    if record.expires <= now:
        return "expired"
    if record.destroy == DestroyPolicy.NEVER:
        return None
    if record.destroy == DestroyPolicy.PASSING and record.verdict is not None:
        return None
    return "its process died"


def find_on_cloud(
    cloud: Sweeper, *, ledger: Ledger, now: float, tell: Callable[[str], object] = lambda _: None
) -> Iterator[GarbageItem]:
    """Stacks and key pairs that carry our tags, and whose run is dead, expired or lost.

    What has no tags of ours, or not all of them, is left alone, whatever its name. ``tell`` gets a
    line for each run that stays because it is not known whether its record is lost.
    """

    def tell_left(owner: Ownership) -> None:
        command = invocation("destroy", owner.run_id, cloud=cloud.name)
        tell(
            f"left run {owner.run_id} until it expires{_date(owner.expires)}: it was kept on "
            f"purpose, and nothing here tells whether its record is lost; to remove it: {command}"
        )

    stacks = set()
    for stack in cloud.find_stacks([TAG]):
        owner = read_ownership(stack.tags)
        why = _reason(owner, ledger, now, tell_left) if owner else None
        stacks.add(stack.name)
        if owner is None or why is None:
            continue
        mark = replace(_mark(owner.run_id), name=stack.name)
        remover = _stack_remover(cloud, stack.id, mark)
        yield GarbageItem(what="stack", name=stack.name, why=why, remove=remover)
    for pair in cloud.keypairs():
        owner = read_key_comment(pair.public_key)
        if owner is None or pair.name != f"{PREFIX}{owner.run_id}" or pair.name in stacks:
            continue  # it is none of ours, or stays or goes with its stack
        why = _reason(owner, ledger, now, tell_left)
        if why is not None:
            yield GarbageItem(
                what="key pair", name=pair.name, why=why, remove=_key_remover(cloud, pair.name)
            )


def find_runs(cloud: Sweeper, prefix: str) -> Mapping[str, Ownership]:
    """The runs on a cloud whose id begins so, by what their stacks and key pairs say."""
    owners = [read_ownership(stack.tags) for stack in cloud.find_stacks([TAG])]
    owners += [
        owner
        for pair in cloud.keypairs()
        if (owner := read_key_comment(pair.public_key)) and pair.name == f"{PREFIX}{owner.run_id}"
    ]
    return {o.run_id: o for o in reversed(owners) if o and o.run_id.startswith(prefix)}


def has_leftovers(cloud: Sweeper, run_id: str) -> bool:
    """Whether something on a cloud is called after a run that has neither stack nor key pair."""
    deadline = Deadline(_LOOK_S, phase=f"looking for run {run_id}")
    return bool(cloud.leftovers(_mark(run_id), deadline=deadline))


def remove_unrecorded(cloud: Sweeper, run_id: str, owner: Ownership | None) -> None:
    """Remove a run of which there is no record here. Raises UsageError while it is at work."""
    user, process = (owner.user, owner.process) if owner else (None, "")
    here = owner is not None and owner.host == this_host()
    if is_at_work(run_id, user=user) or (here and is_alive(process)):
        raise UsageError(
            f"cannot destroy run {run_id}: a process of this machine is at work on it",
            hint="wait until it has ended, or interrupt it (Ctrl-C)",
        )
    _stack_remover(cloud, f"{PREFIX}{run_id}", _mark(run_id))()


def _mark(run_id: str) -> Mark:
    return Mark(name=f"{PREFIX}{run_id}", tags=tags_of_run(run_id))


def _reason(
    owner: Ownership, ledger: Ledger, now: float, tell_left: Callable[[Ownership], object]
) -> str | None:
    # It may be at work again: resumed by another process than began it, in any repository.
    if is_at_work(owner.run_id, user=owner.user) or _is_known_at_work(owner, ledger):
        return None
    if owner.is_expired(now):
        return "expired"
    if not owner.is_kept:
        return "its process died" if owner.is_orphan() else None
    # Last: a process at work writes a record again that was removed.
    lost = _is_record_lost(owner, ledger)
    if lost is None:
        tell_left(owner)
    return "its record is lost" if lost else None


def _date(seconds: float) -> str:
    """In parentheses; nothing where a tag tells of no date that there is."""
    with suppress(OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(seconds, UTC).strftime(" (%Y-%m-%d %H:%M UTC)")
    return ""


def _is_record_lost(owner: Ownership, ledger: Ledger) -> bool | None:
    """Whether no ledger has the record of a run any more; None if only others can tell."""
    if owner.run_id in ledger.ids():
        return False
    return is_lost(owner.ledger, owner.run_id) if owner.host == this_host() else None


def _is_known_at_work(owner: Ownership, ledger: Ledger) -> bool:
    """Whether a process holds the run in this repository; on a shared disk, of any machine."""
    return owner.run_id in ledger.ids() and ledger.is_alive(owner.run_id)


def _stack_remover(cloud: Sweeper, stack_id: str, mark: Mark) -> Callable[[], None]:
    return lambda: remove(
        mark,
        stack=stack_id,
        cloud=cloud,
        deadline=Deadline(DESTROY_S, phase=f"removing stack {mark.name}"),
        on_event=lambda *_: None,
        thorough=True,
    )


def _key_remover(cloud: Sweeper, name: str) -> Callable[[], None]:
    return lambda: cloud.delete_keypair(name)
