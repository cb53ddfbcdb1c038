"""``infraci run``: a commit's pipelines all the way."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from infraci.commands.base import base_opener
from infraci.commands.options import (
    cloud_option,
    destroy_option,
    source_options,
    stack_options,
)
from infraci.commands.parts import (
    import_early,
    loader,
    make_drivers,
    make_progress,
    make_work,
    open_cloud,
)
from infraci.commands.past import blame_lines, conclude, given_by
from infraci.commands.source import Source, open_source
from infraci.commands.standing import open_work
from infraci.errors import ExitCode, UsageError
from infraci.heat import Cloud
from infraci.ledger import Ledger
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.problem import FileError
from infraci.model.run import Phase, PhaseResult, Round, RunRecord, Trouble, Verdict
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


@click.command("run", short_help="Take a commit's pipelines all the way, and tear down.")
@click.argument("pipelines", metavar="[PIPELINE]...", nargs=-1)
@source_options
@cloud_option
@stack_options
@destroy_option
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
@click.option("--search", type=click.Path(path_type=Path), hidden=True)  # for `infraci blame`
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
    resume: str | None,
    report: Path | None,
    history: bool,
    search: Path | None,
) -> int:
    """Take a commit's pipelines all the way, and tear down.

    PIPELINE names files of pipelines/; without one, all of them are run: plan, provision,
    configure, verify, report, destroy.

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
    )
    import_early()
    if resume is not None:
        return _resume(resume, pipelines, wish, verbosity)
    with (
        Interrupts() as interrupts,
        open_source(commit=commit, working_tree=working_tree, quiet=verbosity < 0) as source,
        open_cloud(cloud) as opened,
    ):
        chosen = _load(source, pipelines, cloud, report)
        drivers = make_drivers(opened, Ledger(source.root), make_progress(verbosity))
        records = []
        for pipeline in chosen:
            records.append(_run(pipeline, source, wish, opened, drivers, interrupts))
            if interrupts.happened:
                break
        return _end(records, interrupts, verbosity, table=len(chosen) > 1)


def _load(
    source: Source, names: Sequence[str], cloud: str, report: Path | None
) -> tuple[Pipeline, ...]:
    """The pipelines; should their files be wrong, CI's report says so as well."""
    from infraci.model.decode import load_pipelines

    try:
        return load_pipelines(source.tree, names)
    except FileError as error:
        if report is not None:
            _report_files(error, source, cloud, report)
        raise


def _report_files(error: FileError, source: Source, cloud: str, folder: Path) -> None:
    from infraci.report.junit import write_junit

    now = time.time()
    for name in dict.fromkeys(Path(problem.file).stem for problem in error.problems):
        trouble = Trouble(kind=type(error).__name__, message=error.message, hint=error.hint)
        record = RunRecord(
            id=name,
            pipeline=name,
            voting=True,
            commit=source.commit,
            cloud=cloud,
            stack_name="",
            created=now,
            expires=now,
            destroy="always",
            phases=(PhaseResult(phase=Phase.PLAN, started=now, duration_s=0, trouble=trouble),),
            verdict=Verdict.INVALID,
            destroyed=True,
        )
        with _writing(folder):
            write_junit(folder / f"{name}.xml", record)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(f"cannot write the report to {folder}: {error.strerror}") from error


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
        load = loader(
            pipeline,
            tree=source.tree,
            cloud=cloud,
            parameters=wish.parameters,
            environments=wish.environments,
        )
        work = make_work(
            record,
            pipeline=pipeline,
            tree=source.tree,
            drivers=drivers,
            interrupts=interrupts,
            load=load,
            open_base=base_opener(
                pipeline,
                root=source.root,
                commit=source.commit,
                cloud=cloud,
                parameters=wish.parameters,
                environments=wish.environments,
            ),
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


def publish(junit: Path, record: RunRecord, folder: Path | None) -> None:
    """Copy a run's report to where CI looks for it."""
    if folder is None or not junit.exists():
        return
    with _writing(folder):
        shutil.copyfile(junit, folder / f"{record.pipeline}.xml")


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
