"""An upgrade: the stack stood up at its base, then updated to the commit under test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from infraci.errors import InfraciError, InterruptedRunError
from infraci.heat import UpdateFailedError
from infraci.model.run import (
    Commit,
    Outcome,
    Phase,
    ResourceChange,
    Round,
    Verdict,
    verdict_of_testcases,
)
from infraci.pipeline.provision_phase import (
    plan,
    provision,
    stack_testcases,
    take_servers,
    with_keys,
)
from infraci.pipeline.run import Run
from infraci.pipeline.server_phases import configure, verify
from infraci.pipeline.update_changes import StackSnapshot, check_changes
from infraci.templates import StackRequest


class UntestableUpgradeError(InfraciError):
    """The base does not pass by itself, so that the upgrade cannot be tested."""


@contextmanager
def blaming_base(base: Commit) -> Iterator[None]:
    """In here, every error is the base's: the commit under test is not to blame."""
    try:
        yield
    except (InterruptedRunError, UntestableUpgradeError):
        raise
    except InfraciError as error:
        raise untestable(base, error) from error


def untestable(base: Commit, error: InfraciError) -> UntestableUpgradeError:
    """An error of the base, as the error that it means for the commit under test."""
    return UntestableUpgradeError(
        f"cannot test the upgrade from {base.short}: {error.message}",
        hint=error.hint,
        category=error.category,
        details=error.details,
    )


def plan_base(run: Run) -> None:
    """Find the base and read its files. Raises UntestableUpgradeError if these are wrong."""
    base = run.state.base.commit
    run.drivers.progress.note(f"upgrading from {base.short} {base.subject}")
    with blaming_base(base), run.state.at(Round.BASE):
        plan(run)


def stand_up_base(run: Run) -> None:
    """Take the base through all phases. Raises UntestableUpgradeError unless it passes."""
    base = run.state.base.commit
    with blaming_base(base), run.state.at(Round.BASE):
        provision(run, plan(run))
        run.interrupts.check()
        configure(run)
        run.interrupts.check()
        verify(run)
    if verdict_of_testcases(run.state.record.base_testcases) is not Verdict.PASSED:
        outcomes = [case.outcome for case in run.state.record.base_testcases]
        bad = outcomes.count(Outcome.FAILURE) + outcomes.count(Outcome.ERROR)
        error = UntestableUpgradeError(
            f"cannot test the upgrade from {base.short}: {bad} of its own checks do not pass",
            hint="mend the base first, or upgrade from another commit (upgrade: {from: REVISION})",
        )
        run.drivers.progress.note(f"{error.message}; {error.hint}")
        raise error


def update(run: Run, request: StackRequest) -> None:
    """Update the stack to the commit under test, and wait until its servers can be logged in to.

    What the update was not to replace is checked. Where it fails, UpdateFailedError is raised; a
    stack that was rolled back is verified by the base's specs before.
    """
    stack_id = run.state.record.stack_id or run.state.record.stack_name
    try:
        with run.state.phase(Phase.UPDATE, run.state.pipeline.timeouts.update_s) as deadline:
            request = with_keys(run, request)
            before = _snapshot(run, stack_id)
            with stack_testcases(run, Phase.UPDATE, request):
                run.drivers.prepare(request)
                run.drivers.cloud.update_stack(
                    stack_id,
                    request,
                    tags=run.state.record.tags,
                    deadline=deadline,
                    on_event=run.drivers.progress.event,
                )
            after = _snapshot(run, stack_id)
            changes = before.changes_to(after)
            run.state.save(replace(run.state.record, changes=changes))
            run.drivers.progress.note(summary(changes))
            kept = tuple(check_changes(changes, before, after, run.state.pipeline))
            run.state.add_testcases(kept)
            if kept:
                run.drivers.progress.checked("no_replace", kept)
            take_servers(run, stack_id, deadline, renewed=before.renewed_by(changes))
    except UpdateFailedError as error:
        if error.rolled_back:
            _verify_rollback(run, stack_id)
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


def _verify_rollback(run: Run, stack_id: str) -> None:
    """Run the base's specs again after the rollback; errors are recorded, not raised."""
    try:
        with run.state.at(Round.ROLLBACK):
            with run.state.phase(
                Phase.PROVISION, run.state.pipeline.timeouts.provision_s
            ) as deadline:
                take_servers(
                    run, stack_id, deadline, renewed={s.id for s in run.state.record.servers}
                )
            run.interrupts.check()
            verify(run)
    except InterruptedRunError:
        raise
    except InfraciError as error:
        run.drivers.progress.note(f"after the rollback: {error.message}")


def _snapshot(run: Run, stack_id: str) -> StackSnapshot:
    cloud = run.drivers.cloud
    return StackSnapshot.of(cloud.resources(stack_id), cloud.servers(stack_id))
