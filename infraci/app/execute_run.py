"""``infraci run``: chooses a commit's pipelines, and takes each through the life of a run.

A run gets a record and a lock, goes through its phases, and enters the history. All that this
needs is imported here at once, so that :mod:`infraci.commands.run` can have that done while git
is at work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout
from infraci.app.ci_reports import publish, report_wrong
from infraci.app.cloud_opening import cloud_of, image_maker, open_cloud
from infraci.app.options import RunOptions
from infraci.app.parallel_runs import run_in_parallel
from infraci.app.planning import plan_one
from infraci.app.record_history import HistoryOptions, blame_lines, conclude
from infraci.app.upgrade_base import base_opener
from infraci.base.interrupts import Interrupts
from infraci.base.terminal import say
from infraci.base.trust import is_untrusted
from infraci.configure import configure_servers
from infraci.errors import ExitCode, UsageError
from infraci.evidence import collect
from infraci.heat import LOCAL, Cloud
from infraci.history import dump, invalid
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.problem import FileError
from infraci.model.run import Overrides, Phase, RunRecord, Verdict, exit_code_of
from infraci.pipeline import (
    Drivers,
    Run,
    RunState,
    Verify,
    Version,
    new_record,
    phases_of,
    run_phases,
    verify,
)
from infraci.plan import examine
from infraci.progress import Progress, make_progress
from infraci.report.junit import write_junit
from infraci.sandbox.confine import check_confinement
from infraci.ssh import log_in
from infraci.templates import load_request
from infraci.verify import open_specs
from infraci.verify.serverspec import run_serverspec

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
            records, code = run_in_parallel(chosen, checkout, options, jobs=at_once)
            _print_table(records)
            return code
        progress, ledger = make_progress(options.verbosity), Ledger(checkout.root)
        drivers = {name: make_drivers(opened[name], ledger, progress) for name in clouds}
        records = []
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
    """The pipelines that the commit touches; tells of each why it is run or left out."""
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


def default_jobs(clouds: Sequence[str]) -> int:
    """How many runs at once: on the embedded cloud as many as half the CPUs."""
    return max(1, (os.cpu_count() or 1) // 2) if LOCAL in clouds else _JOBS_ELSEWHERE


def _teller(verbosity: int) -> Callable[[str], object]:
    return (lambda line: say(line, err=True)) if verbosity >= 0 else lambda _: None


# One run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubject:
    """What a run tests: a pipeline of a commit, and what the command line changes of its stack."""

    pipeline: Pipeline
    checkout: Checkout
    overrides: Overrides
    with_base: bool = True  # whether an upgrade begins from its base


def execute_run(
    subject: RunSubject,
    *,
    phases: Sequence[Phase],
    destroy_policy: DestroyPolicy,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
    on_created: Callable[[str], object] = lambda run_id: None,
    verify: Verify = verify,
    history: HistoryOptions | None = None,
) -> RunRecord:
    """Make a new run, take it through the phases, and enter it into the history, if there is one.

    ``on_created`` gets the run's id before anything is made on the cloud. ``verify`` is the phase
    of that name. What goes wrong is in the record that is returned.
    """
    record = new_record(
        subject.pipeline,
        subject.checkout.commit,
        cloud=cloud.name,
        ledger=drivers.ledger,
        destroy_policy=destroy_policy,
        now=time.time(),
        overrides=subject.overrides.names,
    )
    with drivers.ledger.create(record):
        on_created(record.id)
        run = assemble_run(record, subject, cloud=cloud, drivers=drivers, interrupts=interrupts)
        record = run_phases(run, phases, verify=verify)
        if history is None:
            return record
        record = conclude(
            record,
            root=subject.checkout.root,
            pipeline=subject.pipeline,
            tree=subject.checkout.tree,
            options=history,
            tell=drivers.progress.note,
        )
        for line in blame_lines(record):
            drivers.progress.note(line)
    return record


def assemble_run(
    record: RunRecord,
    subject: RunSubject,
    *,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
) -> Run:
    """Put a run together of its record and its subject, ready for its phases."""
    pipeline, checkout, overrides = subject.pipeline, subject.checkout, subject.overrides
    version = Version(
        commit=record.commit,
        pipeline=pipeline,
        tree=checkout.tree,
        load=partial(load_request, pipeline, tree=checkout.tree, cloud=cloud, overrides=overrides),
    )
    open_base = None
    if pipeline.upgrade is not None and subject.with_base:
        open_base = base_opener(
            pipeline,
            checkout,
            revision=pipeline.upgrade.from_revision,
            cloud=cloud,
            overrides=overrides,
            known=record.base,
        )
    state = RunState(record, version=version, drivers=drivers, open_base=open_base)
    return Run(state, drivers=drivers, interrupts=interrupts)


def make_drivers(cloud: Cloud, ledger: Ledger, progress: Progress) -> Drivers:
    """The rooms that do a run's work. Raises NoSandboxError: no sandbox for an untrusted commit."""
    check_confinement()
    return Drivers(
        cloud=cloud,
        ledger=ledger,
        progress=progress,
        log_in=log_in,
        configure=configure_servers,
        specs=open_specs,
        serverspec=run_serverspec,
        collect=collect,
        write_junit=write_junit,
        prepare=image_maker(cloud, progress) if cloud.name == LOCAL else lambda _: None,
        # The servers' own session collects the specs, in the time that Heat takes anyway.
        examine=partial(examine, collect=False),
        plan=partial(plan_one, cloud=cloud),
        clock=time.time,
    )


# The end


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
