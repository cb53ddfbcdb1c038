"""``infraci run``: a commit's pipelines all the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from infraci.app.checkout import open_checkout
from infraci.app.options import (
    RunOptions,
    cloud_option,
    destroy_option,
    source_options,
    stack_options,
)
from infraci.model.run import Overrides


@click.command("run", short_help="Run a commit's pipelines, from plan to destroy.")
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
    help="Run so many at once; by default as many as the machine can bear.",
)
@click.option("--fail-fast", is_flag=True, help="End the other runs when one does not pass.")
@click.option("--resume", metavar="RUN", help="Continue a run from its first unfinished phase.")
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
    help="Write the results into the commit's git note, as by default.",
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
    """Run a commit's pipelines, from plan to destroy.

    PIPELINE names files of pipelines/, or cells of a matrix (web[small]); without one, those
    are run whose files the commit touches: plan, provision, configure, verify, report, destroy.

    Exit status: 0 passed, 1 the commit failed, 2 its files cannot be read, 125 it could not be
    tested, 130 interrupted. Pipelines that do not vote never change it.
    """
    options = RunOptions(
        pipelines=pipelines,
        cloud=cloud,
        overrides=Overrides(parameters=parameters, environments=environments),
        destroy_policy=destroy_policy,
        all_=all_,
        jobs=jobs,
        fail_fast=fail_fast,
        report=report,
        history=history,
        search=search,
        run_file=run_file,
        verbosity=verbosity,
    )
    if resume is not None and (commit is not None or working_tree):
        raise click.UsageError("--resume goes on with its run's commit: leave --commit out")
    if resume is not None:
        from infraci.app.existing_run import resume_run

        return resume_run(resume, options)
    with open_checkout(
        commit=commit,
        working_tree=working_tree,
        quiet=verbosity < 0,
        preload=["infraci.app.execute_run"],
    ) as checkout:
        from infraci.app.execute_run import run_pipelines

        return run_pipelines(checkout, options)
