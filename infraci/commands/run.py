"""``infraci run``: a commit's pipelines all the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from infraci.commands.choice import load, touched
from infraci.commands.options import (
    cloud_option,
    destroy_option,
    source_options,
    stack_options,
)
from infraci.commands.parts import (
    importing_early,
    make_drivers,
    make_progress,
    open_cloud,
)
from infraci.commands.past import blame_lines, conclude, given_by
from infraci.commands.reports import publish
from infraci.commands.several import Several, default_jobs, run_command
from infraci.commands.source import Source, open_source
from infraci.commands.standing import open_work
from infraci.commands.work import make_work
from infraci.errors import ExitCode, UsageError
from infraci.heat import Cloud
from infraci.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import Commit, Phase, Round, RunRecord, Verdict
from infraci.pipeline import Drivers, Interrupts, Outcomes, carry_out, new_record
from infraci.pipeline.run import way_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line asks for."""

    parameters: Mapping[str, str]
    environments: Sequence[Path]
    destroy_policy: DestroyPolicy | None
    report: Path | None
    history: bool = True  # whether results go into the history
    search: Path | None = None  # where a search wants them too
    run_file: Path | None = None  # where the run's id is written as soon as there is one


@click.command("run", short_help="Take a commit's pipelines all the way, and tear down.")
@click.argument("pipelines", metavar="[PIPELINE]...", nargs=-1)
@source_options
@cloud_option
@stack_options
@destroy_option
@click.option("--all", "all_", is_flag=True, help="Run every pipeline, touched or not.")
@click.option(
    "-j",
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="So many runs at once; by default as the machine bears.",
)
@click.option("--fail-fast", is_flag=True, help="End the other runs when one has not passed.")
@click.option("--resume", metavar="RUN", help="Go on with a run from its first phase undone.")
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the JUnit reports there, PIPELINE.xml each.",
)
@click.option(
    "--history/--no-history",
    default=True,
    envvar="INFRACI_HISTORY",
    help="Write what is found into the commit's note; the default.",
)
@click.option(
    "--run-file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the run's id there as soon as there is one.",
)
@click.option(
    "--search",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For `infraci blame`: mark the results as a search's, and write them there too.",
)
@click.pass_obj
def command(
    verbosity: int,
    pipelines: Sequence[str],
    commit: str | None,
    working_tree: bool,
    cloud: str,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    destroy_policy: str | None,
    all_: bool,
    jobs: int | None,
    fail_fast: bool,
    resume: str | None,
    report: Path | None,
    history: bool,
    run_file: Path | None,
    search: Path | None,
) -> int:
    """Take a commit's pipelines all the way, and tear down.

    PIPELINE names files of pipelines/, or cells of a matrix (web[small]); without one, those
    are run whose files the commit touches: plan, provision, configure, verify, report, destroy.

    Exit status: 0 passed, 1 a spec failed, 2 the commit's own files are wrong, 125 it could
    not be tested, 130 interrupted. Pipelines that do not vote never change it.
    """
    wish = Wish(
        parameters=parameters,
        environments=environments,
        destroy_policy=DestroyPolicy(destroy_policy) if destroy_policy else None,
        report=report,
        history=history,
        search=search,
        run_file=run_file,
    )
    if resume is not None:
        return _resume(resume, pipelines, wish, verbosity)
    with ExitStack() as files:
        with importing_early():
            source = files.enter_context(
                open_source(commit=commit, working_tree=working_tree, quiet=verbosity < 0)
            )
        chosen = load(source, pipelines, cloud, report)
        if not pipelines and not all_:
            chosen = touched(source, chosen, tell=_teller(verbosity))
        clouds = list(dict.fromkeys(pipeline.cloud or cloud for pipeline in chosen))
        at_once = min(jobs or default_jobs(clouds), len(chosen))
        with ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            opened = {name: stack.enter_context(open_cloud(name)) for name in clouds}
            if at_once > 1:
                return _run_several(chosen, source, cloud, wish, verbosity, at_once, fail_fast)
            progress, ledger = make_progress(verbosity), Ledger(source.root)
            drivers = {n: make_drivers(opened[n], ledger, progress) for n in clouds}
            records: list[RunRecord] = []
            for pipeline in chosen:
                name = pipeline.cloud or cloud
                records.append(
                    _run(pipeline, source, wish, opened[name], drivers[name], interrupts)
                )
                failed = records[-1].voting and records[-1].verdict is not Verdict.PASSED
                if interrupts.happened or (fail_fast and failed):
                    break
            for pipeline in chosen[len(records) :]:
                progress.note(f"{pipeline.name}: not run")
            return _end(records, interrupts, verbosity, table=len(chosen) > 1)


def _teller(verbosity: int) -> Callable[[str], object]:
    return (lambda line: click.echo(line, err=True)) if verbosity >= 0 else lambda _: None


def _run_several(
    pipelines: Sequence[Pipeline],
    source: Source,
    cloud: str,
    wish: Wish,
    verbosity: int,
    jobs: int,
    fail_fast: bool,
) -> int:
    several = Several(
        command=run_command(
            verbosity=verbosity, arguments=_arguments(wish, source.commit), cloud=cloud
        ),
        ledger=Ledger(source.root),
        tell=lambda line: click.echo(line, err=True),
        jobs=jobs,
        fail_fast=fail_fast,
    )
    records, lost = several.run(pipelines)
    print_table(sorted(records, key=lambda record: record.created))
    if several.interrupted:
        return ExitCode.INTERRUPTED
    return max(Outcomes(records=tuple(records)).exit_code, lost)


def _arguments(wish: Wish, commit: Commit) -> list[str]:
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
    source: Source,
    wish: Wish,
    cloud: Cloud,
    drivers: Drivers,
    interrupts: Interrupts,
) -> RunRecord:
    record = new_record(
        pipeline,
        source.commit,
        cloud=drivers.cloud.name,
        ledger=drivers.ledger,
        destroy_policy=wish.destroy_policy or pipeline.destroy,
        now=time.time(),
        given=given_by(wish.parameters, wish.environments),
    )
    with drivers.ledger.create(record):
        if wish.run_file is not None:
            _tell_id(wish.run_file, record.id)
        work = make_work(
            record,
            pipeline=pipeline,
            source=source,
            cloud=cloud,
            drivers=drivers,
            interrupts=interrupts,
            parameters=wish.parameters,
            environments=wish.environments,
        )
        record = carry_out(work, way_of(pipeline))
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
    publish(work.junit, record, wish.report)
    return record


def _tell_id(path: Path, run_id: str) -> None:
    try:
        path.write_text(run_id)
    except OSError as error:
        raise UsageError(f"cannot write the run's id to {path}: {error.strerror}") from error


def _resume(run_id: str, pipelines: Sequence[str], wish: Wish, verbosity: int) -> int:
    if pipelines:
        raise UsageError("cannot resume a run of other pipelines: leave PIPELINE out")
    with open_work(
        run_id,
        verbosity=verbosity,
        destroy_policy=wish.destroy_policy,
        parameters=wish.parameters,
        environments=wish.environments,
        whole=True,
    ) as work:
        record = carry_out(work, undone(work.record, way_of(work.pipeline)))
        publish(work.junit, record, wish.report)
        return _end([record], work.interrupts, verbosity, table=False)


def undone(record: RunRecord, way: tuple[Phase, ...]) -> tuple[Phase, ...]:
    """The phases from the first one on that has not gone well.

    An update that has not gone well begins again with its base: nobody knows what it has left.
    """
    well = {
        result.phase
        for result in record.phases
        if result.trouble is None
        and (result.round is Round.HEAD or result.phase is Phase.PROVISION)
    }
    for number, phase in enumerate(way):
        if phase is Phase.UPDATE and phase not in well:
            return way[way.index(Phase.PROVISION) :]
        if phase not in well:
            return way[number:]
    return (Phase.VERIFY,)


def _end(
    records: Sequence[RunRecord], interrupts: Interrupts, verbosity: int, *, table: bool
) -> int:
    if table:
        print_table(records)
    code = Outcomes(records=tuple(records)).exit_code
    return ExitCode.INTERRUPTED if interrupts.happened else code


def print_table(records: Sequence[RunRecord]) -> None:
    """A line a pipeline, as a gate prints it."""
    from rich.console import Console

    from infraci.report.table import Row, render_table

    console = Console(file=sys.stdout, soft_wrap=True)
    console.print(render_table([Row.of(record) for record in records]))
