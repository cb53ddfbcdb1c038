"""Runs, one after the other or several at once, and what they come to.

It imports at once all that a run needs, so that :mod:`infraci.commands.run` can have that done
while git is at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from infraci.app.checkout import Checkout
from infraci.app.ci_reports import publish
from infraci.app.cloud_opening import cloud_of, make_progress, open_cloud, policy_of
from infraci.app.existing_run import open_run
from infraci.app.parallel_runs import ParallelRuns, default_jobs, run_command
from infraci.app.record_history import blame_lines, conclude, given_by
from infraci.app.run_assembly import make_run
from infraci.app.run_options import RunOptions
from infraci.app.selection import load, touched
from infraci.app.summary import print_table
from infraci.app.wiring import make_drivers
from infraci.base.terminal import say
from infraci.errors import ExitCode, UsageError
from infraci.heat import Cloud
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline
from infraci.model.run import Commit, Phase, Round, RunRecord, Verdict
from infraci.pipeline import Drivers, Interrupts, exit_code_of, new_record, phases_of, run_phases


def run_pipelines(source: Checkout, wish: RunOptions) -> int:
    """Take the pipelines that are wished for all the way; returns the exit code."""
    chosen = load(source, wish.pipelines, wish.cloud, wish.report, wish.search)
    if not wish.pipelines and not wish.all_:
        chosen = touched(source, chosen, tell=_teller(wish.verbosity))
    clouds = list(dict.fromkeys(cloud_of(pipeline, wish.cloud) for pipeline in chosen))
    at_once = min(wish.jobs or default_jobs(clouds), len(chosen))
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        opened = {name: stack.enter_context(open_cloud(name)) for name in clouds}
        if at_once > 1:
            return _run_several(chosen, source, wish, at_once)
        progress, ledger = make_progress(wish.verbosity), Ledger(source.root)
        drivers = {n: make_drivers(opened[n], ledger, progress) for n in clouds}
        records: list[RunRecord] = []
        for pipeline in chosen:
            name = cloud_of(pipeline, wish.cloud)
            records.append(_run(pipeline, source, wish, opened[name], drivers[name], interrupts))
            failed = records[-1].voting and records[-1].verdict is not Verdict.PASSED
            if interrupts.happened or (wish.fail_fast and failed):
                break
        for pipeline in chosen[len(records) :]:
            progress.note(f"{pipeline.name}: not run")
        return _end(records, interrupts, table=len(chosen) > 1)


def resume_run(run_id: str, wish: RunOptions) -> int:
    """Go on with a run from its first phase undone; returns the exit code."""
    if wish.pipelines:
        raise UsageError("cannot resume a run of other pipelines: leave PIPELINE out")
    with open_run(
        run_id,
        verbosity=wish.verbosity,
        destroy_policy=wish.destroy_policy,
        parameters=wish.parameters,
        environments=wish.environments,
        whole=True,
    ) as run:
        record = run_phases(run, undone(run.state.record, phases_of(run.state.pipeline)))
        publish(run.folder.junit, record, wish.report)
        return _end([record], run.interrupts, table=False)


def undone(record: RunRecord, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The phases from the first one on that has not gone well.

    An update that has not gone well begins again with its base: nobody knows what it has left.
    """
    well = {
        result.phase
        for result in record.phases
        if result.trouble is None
        and (result.round is Round.HEAD or result.phase is Phase.PROVISION)
    }
    for number, phase in enumerate(phases):
        if phase is Phase.UPDATE and phase not in well:
            return phases[phases.index(Phase.PROVISION) :]
        if phase not in well:
            return phases[number:]
    return (Phase.VERIFY,)


def _teller(verbosity: int) -> Callable[[str], object]:
    return (lambda line: say(line, err=True)) if verbosity >= 0 else lambda _: None


def _run_several(
    pipelines: Sequence[Pipeline], source: Checkout, wish: RunOptions, at_once: int
) -> int:
    several = ParallelRuns(
        command=run_command(
            verbosity=wish.verbosity,
            arguments=_arguments(wish, source.commit),
            cloud=wish.cloud,
        ),
        ledger=Ledger(source.root),
        tell=lambda line: say(line, err=True),
        jobs=at_once,
        fail_fast=wish.fail_fast,
    )
    records, lost = several.run(pipelines)
    print_table(sorted(records, key=lambda record: record.created))
    if several.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.worst([exit_code_of(records), lost])


def _arguments(wish: RunOptions, commit: Commit) -> list[str]:
    """What every run of several is told, but for its pipeline and cloud."""
    which = ["--working-tree"] if commit.dirty else ["--commit", commit.sha]
    given = [f"--parameter={name}={value}" for name, value in wish.parameters.items()]
    given += [f"--environment={path}" for path in wish.environments]
    if wish.destroy_policy is not None:
        given.append(f"--destroy={wish.destroy_policy}")
    if wish.report is not None:
        given.append(f"--report={wish.report}")
    return [*which, *given, "--history" if wish.history else "--no-history"]


def _run(
    pipeline: Pipeline,
    source: Checkout,
    wish: RunOptions,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
) -> RunRecord:
    record = new_record(
        pipeline,
        source.commit,
        cloud=drivers.cloud.name,
        ledger=drivers.ledger,
        destroy_policy=policy_of(pipeline, wish.destroy_policy),
        now=time.time(),
        given=given_by(wish.parameters, wish.environments),
    )
    with drivers.ledger.create(record):
        if wish.run_file is not None:
            _tell_id(wish.run_file, record.id)
        run = make_run(
            record,
            pipeline=pipeline,
            source=source,
            cloud=cloud,
            drivers=drivers,
            interrupts=interrupts,
            parameters=wish.parameters,
            environments=wish.environments,
        )
        record = run_phases(run, phases_of(pipeline))
        record = conclude(
            record,
            root=source.root,
            pipeline=pipeline,
            tree=source.tree,
            write=wish.history,
            search=wish.search,
            tell=drivers.progress.note,
        )
        for line in blame_lines(record):
            drivers.progress.note(line)
    publish(run.folder.junit, record, wish.report)
    return record


def _tell_id(path: Path, run_id: str) -> None:
    try:
        path.write_text(run_id)
    except OSError as error:
        raise UsageError(f"cannot write the run's id to {path}: {error.strerror}") from error


def _end(records: Sequence[RunRecord], interrupts: Interrupts, *, table: bool) -> int:
    if table:
        print_table(records)
    code = exit_code_of(records)
    return ExitCode.INTERRUPTED if interrupts.happened else code
