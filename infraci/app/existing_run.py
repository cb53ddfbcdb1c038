"""Continues a run whose stack still exists: from its first unfinished phase, or one phase again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout, exported, preloading
from infraci.app.ci_reports import publish
from infraci.app.cloud_opening import open_cloud
from infraci.app.lookup import find_pipeline, find_run
from infraci.app.options import RunOptions
from infraci.base.interrupts import Interrupts
from infraci.base.trust import distrust
from infraci.errors import ExitCode, UsageError
from infraci.ledger.ledger import Ledger
from infraci.model.run import Overrides, Phase, Round, RunRecord, Verdict, exit_code_of
from infraci.pipeline import Run, phases_of, run_phases
from infraci.progress import make_progress
from infraci.report.header import reproduce


@contextmanager
def open_run(
    run_id: str | None,
    *,
    verbosity: int,
    working_tree: bool = False,
    destroy_policy: str | None = None,
    overrides: Overrides,
    with_base: bool = False,
) -> Iterator[Run]:
    """A run taken up again: its lock, its commit's files (or those of the working tree).

    ``with_base`` gives an upgrade its base as well; single phases are those of the commit alone.
    """
    from infraci.app.execute_run import RunSubject, assemble_run, make_drivers

    root = git.repository_root(Path.cwd())
    ledger = Ledger(root)
    record = find_run(ledger, run_id)
    if record.untrusted:
        distrust()
    if record.destroyed:
        raise UsageError(
            f"cannot go on with run {record.id}: its stack is destroyed",
            hint=f"begin anew: {reproduce(record)}",
        )
    with ExitStack() as stack:
        stack.enter_context(ledger.lock(record.id))
        interrupts = stack.enter_context(Interrupts())
        commit = git.working_tree(root) if working_tree else record.commit
        with preloading():
            tree = stack.enter_context(exported(root, commit))
        cloud = stack.enter_context(open_cloud(record.cloud))
        record = replace(record, commit=commit, verdict=None)
        if destroy_policy is not None:
            record = replace(record, destroy=destroy_policy)
        subject = RunSubject(
            pipeline=find_pipeline(tree, record.pipeline),
            checkout=Checkout(root=root, commit=commit, tree=tree),
            overrides=overrides,
            with_base=with_base,
        )
        drivers = make_drivers(cloud, ledger, make_progress(verbosity))
        run = assemble_run(record, subject, cloud=cloud, drivers=drivers, interrupts=interrupts)
        stack.callback(run.close)
        yield run


def repeat_phase(phase: Phase, run_id: str | None, *, verbosity: int, working_tree: bool) -> int:
    """Take a run whose stack stands through one phase, and keep it; returns the exit status."""
    with open_run(
        run_id,
        verbosity=verbosity,
        working_tree=working_tree,
        destroy_policy="never",
        overrides=Overrides(),
    ) as run:
        record = run_phases(run, (phase,))
        code = (record.verdict or Verdict.PASSED).exit_code
        return ExitCode.INTERRUPTED if run.interrupts.happened else code


def resume_run(run_id: str, options: RunOptions) -> int:
    """Go on with a run from its first unfinished phase; returns the exit code."""
    if options.pipelines:
        raise UsageError("cannot resume a run of other pipelines: leave PIPELINE out")
    with open_run(
        run_id,
        verbosity=options.verbosity,
        destroy_policy=options.destroy_policy,
        overrides=options.overrides,
        with_base=True,
    ) as run:
        record = run_phases(run, undone(run.state.record, phases_of(run.state.pipeline)))
        if options.report is not None:
            publish(run.folder.junit, record, options.report)
        return ExitCode.INTERRUPTED if run.interrupts.happened else exit_code_of([record])


def undone(record: RunRecord, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The phases from the first one on that has not succeeded.

    After an update that has not succeeded, an upgrade begins again with its base: the state that
    the update has left is not known.
    """
    succeeded = {
        result.phase
        for result in record.phases
        if result.failure is None
        and (result.round is Round.HEAD or result.phase is Phase.PROVISION)
    }
    for number, phase in enumerate(phases):
        if phase is Phase.UPDATE and phase not in succeeded:
            return phases[phases.index(Phase.PROVISION) :]
        if phase not in succeeded:
            return phases[number:]
    return (Phase.VERIFY,)
