"""``infraci run``: chooses the pipelines of a commit, and runs them one after the other or at once.

It imports at once all that a run needs, so that :mod:`infraci.commands.run` can have that done
while git is at work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout
from infraci.app.ci_reports import publish, report_wrong
from infraci.app.cloud_opening import cloud_of, open_cloud
from infraci.app.execute_run import RunSubject, execute_run, make_drivers
from infraci.app.existing_run import open_run
from infraci.app.options import RunOptions
from infraci.app.parallel_runs import ParallelRuns, run_command
from infraci.app.record_history import HistoryOptions
from infraci.base.interrupts import Interrupts
from infraci.base.terminal import say
from infraci.base.trust import is_untrusted
from infraci.errors import ExitCode, UsageError
from infraci.heat import LOCAL
from infraci.history import dump, invalid
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.problem import FileError
from infraci.model.run import Commit, Phase, Round, RunRecord, Verdict, exit_code_of
from infraci.pipeline import phases_of, run_phases
from infraci.progress import make_progress

#: So many runs at once on a cloud of many machines.
_JOBS_ELSEWHERE = 4


def run_pipelines(checkout: Checkout, options: RunOptions) -> int:
    """Run the named pipelines, or those that the commit touches; returns the exit code."""
    chosen = _load(checkout, options)
    if not options.pipelines and not options.all_:
        chosen = _touched(checkout, chosen, tell=_teller(options.verbosity))
    clouds = list(dict.fromkeys(cloud_of(pipeline, options.cloud) for pipeline in chosen))
    at_once = min(options.jobs or default_jobs(clouds), len(chosen))
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        opened = {name: stack.enter_context(open_cloud(name)) for name in clouds}
        if at_once > 1:
            return _run_in_parallel(chosen, checkout, options, at_once)
        progress, ledger = make_progress(options.verbosity), Ledger(checkout.root)
        drivers = {name: make_drivers(opened[name], ledger, progress) for name in clouds}
        records: list[RunRecord] = []
        for pipeline in chosen:
            cloud = cloud_of(pipeline, options.cloud)
            record = execute_run(
                RunSubject(pipeline=pipeline, checkout=checkout, overrides=options.overrides),
                phases=phases_of(pipeline),
                destroy_policy=destroy_policy_of(pipeline, options.destroy_policy),
                cloud=opened[cloud],
                drivers=drivers[cloud],
                interrupts=interrupts,
                on_created=partial(_write_id, options.run_file),
                history=HistoryOptions(write=options.history, search=options.search),
            )
            if options.report is not None:
                publish(ledger.folder(record.id).junit, record, options.report)
            records.append(record)
            failed = record.voting and record.verdict is not Verdict.PASSED
            if interrupts.happened or (options.fail_fast and failed):
                break
        for pipeline in chosen[len(records) :]:
            progress.note(f"{pipeline.name}: not run")
        return _end(records, interrupts, table=len(chosen) > 1)


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
        return _end([record], run.interrupts, table=False)


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


def destroy_policy_of(pipeline: Pipeline, override: str | None) -> DestroyPolicy:
    """When a run's stack is destroyed; what an untrusted commit itself says of it is ignored."""
    if override is None and is_untrusted():
        return DestroyPolicy.ALWAYS
    return DestroyPolicy(override or pipeline.destroy)


# Which pipelines


def _load(checkout: Checkout, options: RunOptions) -> list[Pipeline]:
    """The pipelines; where their files are wrong, CI's report or a search gets that as well."""
    from infraci.model.decode import load_pipelines

    names, cloud = options.pipelines, options.cloud
    try:
        return list(load_pipelines(checkout.tree, names))
    except FileError as error:
        if options.report is not None:
            for name in dict.fromkeys(Path(problem.file).stem for problem in error.problems):
                report_wrong(
                    options.report, error, pipeline=name, commit=checkout.commit, cloud=cloud
                )
        if options.search is not None:
            result = invalid(pipeline=names[0] if names else "", cloud=cloud)
            options.search.write_text(dump(result))
        raise


def _touched(
    checkout: Checkout, pipelines: Sequence[Pipeline], *, tell: Callable[[str], object]
) -> list[Pipeline]:
    """Those that the commit touches, saying of each why it is run or left."""
    from infraci.plan.touched import choose_touched

    changed = git.changed_files(checkout.root, checkout.commit)
    if changed is None:
        if len(pipelines) > 1:
            tell("all pipelines: run, as this commit has no parent here to compare it with")
        return list(pipelines)
    decisions = choose_touched(pipelines, changed, root=checkout.tree)
    if len(decisions) > 1 or not all(decision.touched for decision in decisions):
        for decision in decisions:
            tell(str(decision))
    chosen = [decision.pipeline for decision in decisions if decision.touched]
    if not chosen:
        tell(f"nothing to run for {checkout.commit.short} (--all runs every pipeline)")
    return chosen


def _teller(verbosity: int) -> Callable[[str], object]:
    return (lambda line: say(line, err=True)) if verbosity >= 0 else lambda _: None


# Several at once


def default_jobs(clouds: Sequence[str]) -> int:
    """How many runs at once: on the embedded cloud as many as half the CPUs."""
    return max(1, (os.cpu_count() or 1) // 2) if LOCAL in clouds else _JOBS_ELSEWHERE


def _run_in_parallel(
    pipelines: Sequence[Pipeline], checkout: Checkout, options: RunOptions, jobs: int
) -> int:
    runs = ParallelRuns(
        command=run_command(
            verbosity=options.verbosity,
            arguments=_arguments(options, checkout.commit),
            cloud=options.cloud,
        ),
        ledger=Ledger(checkout.root),
        tell=lambda line: say(line, err=True),
        jobs=jobs,
        fail_fast=options.fail_fast,
    )
    records, lost = runs.run(pipelines)
    _print_table(sorted(records, key=lambda record: record.created))
    if runs.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.worst([exit_code_of(records), lost])


def _arguments(options: RunOptions, commit: Commit) -> list[str]:
    """The options that each of the parallel runs gets, but for its pipeline and cloud."""
    arguments = ["--working-tree"] if commit.dirty else ["--commit", commit.sha]
    overrides = options.overrides
    arguments += [f"--parameter={name}={value}" for name, value in overrides.parameters.items()]
    arguments += [f"--environment={path}" for path in overrides.environments]
    if options.destroy_policy is not None:
        arguments.append(f"--destroy={options.destroy_policy}")
    if options.report is not None:
        arguments.append(f"--report={options.report}")
    return [*arguments, "--history" if options.history else "--no-history"]


def _write_id(path: Path | None, run_id: str) -> None:
    if path is None:
        return
    try:
        path.write_text(run_id)
    except OSError as error:
        raise UsageError(f"cannot write the run's id to {path}: {error.strerror}") from error


def _print_table(records: Sequence[RunRecord]) -> None:
    from infraci.report.table import print_table  # only now: Rich takes a while to import

    print_table(records)


def _end(records: Sequence[RunRecord], interrupts: Interrupts, *, table: bool) -> int:
    if table:
        _print_table(records)
    return ExitCode.INTERRUPTED if interrupts.happened else exit_code_of(records)
