"""The destroy phase, and what is saved before it."""

from __future__ import annotations

from contextlib import suppress

from infraci.deadline import Deadline
from infraci.errors import InfraciError
from infraci.heat import story
from infraci.model.run import Phase, Server
from infraci.pipeline.interrupt import AbandonedError
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
        return story(cloud.events(stack_id))

    work.drivers.progress.note("saving evidence")
    try:
        files = work.drivers.collect(
            _servers(work, stack_id),
            open_session=work.session_of,
            console=console,
            events=events,
            folder=work.folder,
            deadline=Deadline(_EVIDENCE_S, phase="saving evidence"),
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
    """Delete the stack and the key pair; what is gone already is no trouble."""
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
            work.drivers.cloud.delete_stack(
                work.record.stack_id or work.record.stack_name,
                deadline=deadline,
                on_event=work.drivers.progress.event,
            )
            work.drivers.cloud.delete_keypair(work.record.stack_name)
        except AbandonedError as error:
            raise AbandonedError(error.message, hint=f"clean up by: {work.cleanup}") from error
        work.update(destroyed=True)
