"""An upgrade: the stack stood up at its base, then updated to the commit under test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from infraci.errors import InfraciError, InterruptedRunError
from infraci.heat import UpdateFailedError
from infraci.model.run import Commit, Outcome, Phase, ResourceChange, Round, Verdict
from infraci.pipeline import verdict as judge
from infraci.pipeline.configure_phase import configure
from infraci.pipeline.provision_phase import (
    plan,
    provision,
    take_servers,
    testing_stack,
    with_own,
)
from infraci.pipeline.update_changes import Snapshot, judge_changes
from infraci.pipeline.verify_phase import verify
from infraci.pipeline.work import Work
from infraci.templates import StackRequest


class UntestableUpgradeError(InfraciError):
    """The base does not pass by itself, so that nothing can be said of the commit under test."""


@contextmanager
def judging_base(base: Commit) -> Iterator[None]:
    """In here, whatever goes wrong is the base's: the commit under test is not to blame."""
    try:
        yield
    except (InterruptedRunError, UntestableUpgradeError):
        raise
    except InfraciError as error:
        raise untestable(base, error) from error


def untestable(base: Commit, error: InfraciError) -> UntestableUpgradeError:
    """The trouble of a base as what it means for the commit under test."""
    return UntestableUpgradeError(
        f"cannot test the upgrade from {base.short}: {error.message}",
        hint=error.hint,
        category=error.category,
        details=error.details,
    )


def plan_base(work: Work) -> None:
    """Find the base and read its files. Raises UntestableUpgradeError if these are wrong."""
    base = work.base.commit
    work.drivers.progress.note(f"upgrading from {base.short} {base.subject}")
    with judging_base(base), work.at(Round.BASE):
        plan(work)


def stand_up_base(work: Work) -> None:
    """Take the base all its way. Raises UntestableUpgradeError unless it passes by itself."""
    base = work.base.commit
    with judging_base(base), work.at(Round.BASE):
        provision(work, plan(work))
        work.interrupts.check()
        configure(work)
        work.interrupts.check()
        verify(work)
    if judge.of_testcases(work.record.base_testcases) is not Verdict.PASSED:
        outcomes = [case.outcome for case in work.record.base_testcases]
        bad = outcomes.count(Outcome.FAILURE) + outcomes.count(Outcome.ERROR)
        error = UntestableUpgradeError(
            f"cannot test the upgrade from {base.short}: {bad} of its own checks do not pass",
            hint="mend the base first, or upgrade from another commit (upgrade: {from: REVISION})",
        )
        work.drivers.progress.note(f"{error.message}; {error.hint}")
        raise error


def update(work: Work, request: StackRequest) -> None:
    """Update the stack to the commit under test, and wait until its servers can be logged in to.

    What the update was not to replace is checked. Where it fails, UpdateFailedError is raised; a
    stack that was rolled back is verified by the base's specs before.
    """
    stack_id = work.record.stack_id or work.record.stack_name
    try:
        with work.phase(Phase.UPDATE, work.pipeline.timeouts.update_s) as deadline:
            request = with_own(work, request)
            before = _snapshot(work, stack_id)
            with testing_stack(work, Phase.UPDATE, request):
                work.drivers.prepare(request)
                work.drivers.cloud.update_stack(
                    stack_id,
                    request,
                    tags=work.record.tags,
                    deadline=deadline,
                    on_event=work.drivers.progress.event,
                )
            after = _snapshot(work, stack_id)
            changes = before.changes_to(after)
            work.update(changes=changes)
            work.drivers.progress.note(summary(changes))
            kept = tuple(judge_changes(changes, before, after, work.pipeline))
            work.add_testcases(kept)
            if kept:
                work.drivers.progress.checked("no_replace", kept)
            take_servers(work, stack_id, deadline, renewed=before.renewed_by(changes))
    except UpdateFailedError as error:
        if error.rolled_back:
            _verify_rollback(work, stack_id)
        raise


def summary(changes: Sequence[ResourceChange]) -> str:
    """What an update did, in one line."""
    counts = Counter(change.kind for change in changes)
    parts = []
    for kind, count in sorted(counts.items()):
        paths = [change.path for change in changes if change.kind is kind]
        named = ", ".join(paths[:5]) + (", …" if count > 5 else "")
        parts.append(f"{count} {kind} ({named})")
    return f"the update changed: {'; '.join(parts)}" if parts else "the update changed nothing"


def _verify_rollback(work: Work, stack_id: str) -> None:
    """See whether the base is as good as before; trouble on the way is recorded, not raised."""
    try:
        with work.at(Round.ROLLBACK):
            with work.phase(Phase.PROVISION, work.pipeline.timeouts.provision_s) as deadline:
                take_servers(work, stack_id, deadline, renewed={s.id for s in work.record.servers})
            work.interrupts.check()
            verify(work)
    except InterruptedRunError:
        raise
    except InfraciError as error:
        work.drivers.progress.note(f"after the rollback: {error.message}")


def _snapshot(work: Work, stack_id: str) -> Snapshot:
    cloud = work.drivers.cloud
    return Snapshot.of(cloud.resources(stack_id), cloud.servers(stack_id))
