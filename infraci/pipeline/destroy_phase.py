"""The destroy phase: it saves evidence, removes what a run has made, and proves that it is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from shlex import quote

from infraci.base.deadline import Deadline
from infraci.base.interrupts import AbandonedError, Interruption
from infraci.base.invocation import invocation
from infraci.errors import CloudError, InfraciError, PhaseTimeoutError, UsageError
from infraci.heat import LOCAL, Leftover, Mark, OnEvent, StackFailedError, render_events
from infraci.ledger.ledger import Ledger
from infraci.ledger.ownership import PREFIX, tags_of_run
from infraci.model.run import Phase, RunRecord, Server
from infraci.pipeline.drivers import Remover
from infraci.pipeline.run import Run
from infraci.progress import Progress

_EVIDENCE_S = 60.0
#: Longer than any pipeline's own limit needs to be; Ctrl-C ends it.
DESTROY_S = 900.0
#: The search for what a failed tear-down has left takes no longer.
_LOOK_S = 20.0


class RemainsError(CloudError):
    """Something of a run is still on the cloud; ``left`` names it, ``destroy`` tries again."""

    def __init__(
        self,
        message: str,
        *,
        left: Iterable[Leftover],
        destroy: str,
        category: str,
        details: str = "",
    ) -> None:
        left = tuple(left)
        super().__init__(message, hint=_hint(left, destroy), category=category, details=details)
        self.left = tuple(str(leftover) for leftover in left)


def _hint(left: tuple[Leftover, ...], destroy: str) -> str | None:
    """The commands that remove what is left; where foreign resources block it, only theirs."""
    foreign = [leftover for leftover in left if leftover.foreign]
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
    With ``thorough``, what is left is removed one by one; else it is a leak, and reported as one.
    Raises RemainsError.
    """
    run_id = mark.name.removeprefix(PREFIX)
    destroy = invocation("destroy", run_id, cloud=cloud.name)
    references = dict.fromkeys((*mark.resources, *cloud.resource_references(stack)))
    mark = replace(mark, resources=tuple(references))
    with suppress(InfraciError):  # a full disk does not keep us from tearing down
        remember(mark)
    try:
        cloud.delete_stack(stack, deadline=deadline, on_event=on_event)
        cloud.delete_keypair(mark.name)
        left = cloud.leftovers(mark, deadline=deadline)
        # A stack whose creation was asked for twice, or after its run's end.
        if stacks := [leftover.id for leftover in left if leftover.is_stack]:
            for stack_id in stacks:
                cloud.delete_stack(stack_id, deadline=deadline, on_event=on_event)
            left = cloud.leftovers(mark, deadline=deadline)
        if left and thorough:
            left = cloud.remove_leftovers(mark, deadline=deadline)
    except (StackFailedError, PhaseTimeoutError) as error:
        left = ()
        with suppress(InfraciError):
            left = cloud.leftovers(mark, deadline=Deadline(_LOOK_S))
        raise RemainsError(
            error.message,
            left=left,
            destroy=destroy,
            category="delete",
            details=error.details,
        ) from error
    if left:
        raise RemainsError(
            f"cannot leave the cloud clean: there is still {', '.join(map(str, left))}",
            left=left,
            destroy=destroy,
            category="leak",
        )


def _check_same_cloud(record: RunRecord, cloud: Remover) -> None:
    """Raise UsageError for another cloud of the same name; one cloud may have two addresses."""
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
    """The name and tags by which the resources of a run are found."""
    return Mark(name=record.stack_name, tags=tags_of_run(record.id), resources=record.resources)


def remove_run(record: RunRecord, *, cloud: Remover, ledger: Ledger, progress: Progress) -> None:
    """Remove all that a run has made, from its record alone: the pipeline's files may be gone.

    Raises RemainsError, and UsageError for a cloud that only has the name of the run's.
    """
    _check_same_cloud(record, cloud)

    def save(changed: RunRecord) -> None:
        nonlocal record
        record = changed
        ledger.update(record)

    try:
        remove(
            mark_of(record),
            stack=record.stack_id or record.stack_name,
            cloud=cloud,
            deadline=Deadline(DESTROY_S, phase=f"destroying {record.id}"),
            on_event=progress.event,
            remember=lambda mark: save(replace(record, resources=mark.resources)),
            thorough=True,
        )
    except RemainsError as error:
        with suppress(InfraciError):
            save(replace(record, leaks=error.left))
        raise
    # Keys first: a full disk has room for the record then.
    ledger.folder(record.id).remove_private_keys()
    save(replace(record, destroyed=True, leaks=()))


def save_evidence(run: Run) -> None:
    """Save logs of servers and events of the stack. Errors are shown, not raised."""
    if run.state.record.stack_id is None:
        return
    stack_id = run.state.record.stack_id
    cloud = run.drivers.cloud

    def console(server: Server) -> str:
        return cloud.console(server.id)

    def events() -> str:
        return render_events(cloud.events(stack_id))

    def balancers() -> str:
        return cloud.balancers(stack_id)

    run.drivers.progress.note("saving evidence")
    deadline = Deadline(_EVIDENCE_S, phase="saving evidence")
    try:
        with cloud.within(deadline):
            files = run.drivers.collect(
                _servers(run, stack_id),
                open_session=run.sessions.session,
                console=console,
                events=events,
                balancers=balancers,
                folder=run.folder,
                deadline=deadline,
                masker=run.state.masker,
            )
        run.state.save(replace(run.state.record, evidence=files))
    except InfraciError as error:
        run.drivers.progress.note(f"evidence is incomplete: {error.message}")


def _servers(run: Run, stack_id: str) -> tuple[Server, ...]:
    """The run's servers; of a stack that failed, those that have a console all the same."""
    if run.state.record.servers:
        return run.state.record.servers
    return tuple(
        Server(name=nova_server.name, id=nova_server.id, role="", user="", address="")
        for nova_server in run.drivers.cloud.servers(stack_id)
    )


def destroy(run: Run) -> None:
    """Delete the stack and the key pair, and see that nothing is left; raises RemainsError."""
    tell = run.drivers.progress.note

    def on_first() -> None:
        with suppress(RuntimeError):  # we may be in the midst of writing to the same stream
            tell(f"tearing down; once more ends the waiting, then clean up by: {run.cleanup}")

    with (
        run.interrupts.tearing_down(on_first),
        run.state.phase(Phase.DESTROY, run.state.pipeline.timeouts.destroy_s) as deadline,
    ):
        run.close()
        try:
            remove(
                mark_of(run.state.record),
                stack=run.state.record.stack_id or run.state.record.stack_name,
                cloud=run.drivers.cloud,
                deadline=deadline,
                on_event=run.drivers.progress.event,
                remember=lambda mark: run.state.save(
                    replace(run.state.record, resources=mark.resources)
                ),
            )
        except Interruption as interruption:
            message = interruption.error.message
            raise AbandonedError(message, hint=f"clean up by: {run.cleanup}") from None
        except RemainsError as error:
            with suppress(InfraciError):
                run.state.save(replace(run.state.record, leaks=error.left))
            raise
        run.folder.remove_private_keys()  # first: a full disk has room for the record then
        run.state.save(replace(run.state.record, destroyed=True, leaks=()))
