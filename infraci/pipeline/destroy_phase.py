"""The destroy phase, and what is saved before it."""

from __future__ import annotations

from contextlib import suppress

from infraci.base.deadline import Deadline
from infraci.errors import InfraciError
from infraci.heat import render_events
from infraci.model.run import Phase, Server
from infraci.pipeline.interrupt import AbandonedError
from infraci.pipeline.removal import RemainsError, mark_of, remove
from infraci.pipeline.work import Work

_EVIDENCE_S = 60.0


def save_evidence(work: Work) -> None:
    """Save what servers and stack can still tell. Trouble on the way is told, not raised."""
    if work.record.stack_id is None:
        return
    stack_id = work.record.stack_id
    cloud = work.drivers.cloud

    def console(server: Server) -> str:
        return cloud.console(server.id)

    def events() -> str:
        return render_events(cloud.events(stack_id))

    work.drivers.progress.note("saving evidence")
    deadline = Deadline(_EVIDENCE_S, phase="saving evidence")
    try:
        with cloud.within(deadline):
            files = work.drivers.collect(
                _servers(work, stack_id),
                open_session=work.session_of,
                console=console,
                events=events,
                folder=work.folder,
                deadline=deadline,
                masker=work.masker,
            )
        work.update(evidence=files)
    except InfraciError as error:
        work.drivers.progress.note(f"evidence is incomplete: {error.message}")


def _servers(work: Work, stack_id: str) -> tuple[Server, ...]:
    """The run's servers; of a stack that failed, those that have a console all the same."""
    if work.record.servers:
        return work.record.servers
    return tuple(
        Server(name=found.name, id=found.id, role="", user="", address="")
        for found in work.drivers.cloud.servers(stack_id)
    )


def destroy(work: Work) -> None:
    """Delete the stack and the key pair, and see that nothing is left; raises RemainsError."""
    tell = work.drivers.progress.note

    def on_first() -> None:
        with suppress(RuntimeError):  # we may be in the midst of writing to the same stream
            tell(f"tearing down; once more ends the waiting, then clean up by: {work.cleanup}")

    with (
        work.interrupts.tearing_down(on_first),
        work.phase(Phase.DESTROY, work.pipeline.timeouts.destroy_s) as deadline,
    ):
        work.close()
        try:
            remove(
                mark_of(work.record),
                stack=work.record.stack_id or work.record.stack_name,
                cloud=work.drivers.cloud,
                deadline=deadline,
                on_event=work.drivers.progress.event,
                remember=lambda mark: work.update(possessions=mark.possessions),
            )
        except AbandonedError as error:
            raise AbandonedError(error.message, hint=f"clean up by: {work.cleanup}") from error
        except RemainsError as error:
            with suppress(InfraciError):
                work.update(leaks=error.left)
            raise
        work.folder.remove_private_keys()  # first: a full disk has room for the record then
        work.update(destroyed=True, leaks=())
