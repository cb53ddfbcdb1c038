"""Removing what a run has made, and proving that nothing is left of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from shlex import quote
from typing import Any

from infraci.base.deadline import Deadline
from infraci.base.invocation import invocation
from infraci.errors import CloudError, InfraciError, PhaseTimeoutError, UsageError
from infraci.heat import LOCAL, Mark, OnEvent, Remnant, StackFailedError
from infraci.ledger.ledger import Ledger
from infraci.model.run import RunRecord
from infraci.pipeline.drivers import Remover
from infraci.pipeline.owner import PREFIX, tags_of_run
from infraci.progress import Progress

#: Longer than any pipeline's own limit needs to be; Ctrl-C ends it.
DESTROY_S = 900.0
#: What is left after a tear-down that failed is asked for no longer.
_LOOK_S = 20.0


class RemainsError(CloudError):
    """Something of a run is still on the cloud; ``left`` names it, ``destroy`` tries again."""

    def __init__(
        self,
        message: str,
        *,
        left: Iterable[Remnant],
        destroy: str,
        category: str,
        details: str = "",
    ) -> None:
        left = tuple(left)
        super().__init__(message, hint=_hint(left, destroy), category=category)
        self.left = tuple(str(remnant) for remnant in left)
        self.details = details


def _hint(left: tuple[Remnant, ...], destroy: str) -> str | None:
    """The commands that remove what is left; where others' things keep it, only theirs."""
    foreign = [remnant for remnant in left if remnant.foreign]
    hint = "remove what is left by:"
    if foreign:
        named = "; ".join(map(str, foreign))
        hint = f"in the way is {named}: remove it by this, then `{destroy}` removes the rest:"
    return "\n  ".join([hint, *(r.command for r in foreign or left)]) if left else None


def remove(
    mark: Mark,
    *,
    stack: str,
    cloud: Remover,
    deadline: Deadline,
    on_event: OnEvent,
    remember: Callable[[Mark], object] = lambda _: None,
    thorough: bool = False,
) -> None:
    """Delete a run's stack and key pair, then look for what carries its mark all the same.

    ``remember`` gets the mark with the ids of what the stack has made, before that is deleted.
    What is left is removed one by one if this is to be ``thorough``; else it is a leak, which
    somebody wants to know of. Raises RemainsError.
    """
    run_id = mark.name.removeprefix(PREFIX)
    destroy = invocation("destroy", run_id, cloud=cloud.name)
    known = dict.fromkeys((*mark.possessions, *cloud.possessions(stack)))
    mark = replace(mark, possessions=tuple(known))
    with suppress(InfraciError):  # a full disk does not keep us from tearing down
        remember(mark)
    try:
        cloud.delete_stack(stack, deadline=deadline, on_event=on_event)
        cloud.delete_keypair(mark.name)
        left = cloud.remnants(mark, deadline=deadline)
        # A stack whose creation was asked for twice, or after its run's end.
        if stacks := [remnant.id for remnant in left if remnant.is_stack]:
            for stack_id in stacks:
                cloud.delete_stack(stack_id, deadline=deadline, on_event=on_event)
            left = cloud.remnants(mark, deadline=deadline)
        if left and thorough:
            left = cloud.remove_remnants(mark, deadline=deadline)
    except (StackFailedError, PhaseTimeoutError) as error:
        left = ()
        with suppress(InfraciError):
            left = cloud.remnants(mark, deadline=Deadline(_LOOK_S))
        raise RemainsError(
            error.message,
            left=left,
            destroy=destroy,
            category="delete",
            details=getattr(error, "details", ""),
        ) from error
    if left:
        raise RemainsError(
            f"cannot leave the cloud clean: there is still {', '.join(map(str, left))}",
            left=left,
            destroy=destroy,
            category="leak",
        )


def _see_same_cloud(record: RunRecord, cloud: Remover) -> None:
    """What is not on another cloud is not gone; but one cloud may have two addresses."""
    stack = record.stack_id or record.stack_name
    if record.cloud_at in ("", cloud.where) or cloud.find_stack(stack) is not None:
        return
    where = f"INFRACI_STATE_DIR={quote(record.cloud_at)} {invocation('destroy', record.id)}"
    raise UsageError(
        f"cannot destroy run {record.id}: its cloud {record.cloud} was at {record.cloud_at}, and "
        f"the one of that name is at {cloud.where} and does not know its stack",
        hint=where if record.cloud == LOCAL else "mend clouds.yaml, or the OS_* variables",
    )


def mark_of(record: RunRecord) -> Mark:
    """By what the things of a run are known."""
    return Mark(name=record.stack_name, tags=tags_of_run(record.id), possessions=record.possessions)


def remove_run(record: RunRecord, *, cloud: Remover, ledger: Ledger, progress: Progress) -> None:
    """Remove all that a run has made, from its record alone: the pipeline's files may be gone.

    Raises RemainsError, and UsageError for a cloud that only has the name of the run's.
    """
    _see_same_cloud(record, cloud)

    def update(**changes: Any) -> None:
        nonlocal record
        record = replace(record, **changes)
        ledger.update(record)

    try:
        remove(
            mark_of(record),
            stack=record.stack_id or record.stack_name,
            cloud=cloud,
            deadline=Deadline(DESTROY_S, phase=f"destroying {record.id}"),
            on_event=progress.event,
            remember=lambda mark: update(possessions=mark.possessions),
            thorough=True,
        )
    except RemainsError as error:
        with suppress(InfraciError):
            update(leaks=error.left)
        raise
    # Keys first: a full disk has room for the record then.
    ledger.folder(record.id).remove_private_keys()
    update(destroyed=True, leaks=())
