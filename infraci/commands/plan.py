"""``infraci plan``: what a run would make and run, and everything that is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import click

from infraci.app.checkout import Checkout
from infraci.app.ci_reports import report_wrong
from infraci.app.cloud_opening import cloud_of, loader, open_cloud, open_unasked, own_part
from infraci.app.options import cloud_option, json_option, source_options, stack_options
from infraci.app.preload import open_source_early
from infraci.app.upgrade_base import base_opener
from infraci.base.terminal import say, say_json
from infraci.base.trust import is_untrusted
from infraci.errors import DefinitionError, ExitCode, UsageError
from infraci.heat import LOCAL, Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError, Problem
from infraci.model.run import Verdict
from infraci.pipeline import UntestableUpgradeError
from infraci.plan import (
    PipelinePlan,
    examine,
    judge_untrusted,
    plan_pipeline,
    with_upgrade,
)
from infraci.plan.offline import Unasked
from infraci.plan.plan_output import as_data, as_text


@click.command("plan", short_help="Show what would be made and run, and everything that is wrong.")
@click.argument("pipelines", metavar="[PIPELINE]...", nargs=-1)
@source_options
@cloud_option
@click.option("--online", is_flag=True, help="Ask a cloud of clouds.yaml; nothing is made there.")
@stack_options
@click.option("--show-template", is_flag=True, help="Show the template that Heat would get.")
@json_option
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write JUnit reports of pipelines that are wrong there, PIPELINE.xml each.",
)
@click.pass_obj
def command(
    verbosity: int,
    pipelines: Sequence[str],
    commit: str | None,
    working_tree: bool,
    cloud: str,
    online: bool,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    show_template: bool,
    as_json: bool,
    report: Path | None,
) -> int:
    """Show what would be made and run, and everything that is wrong.

    The stacks' templates are expanded by Heat itself, the embedded cloud's or with --online
    that of --cloud; nothing is made. Exit status 1 if Heat refuses the template of a pipeline that
    votes, 2 if anything else is wrong with one.
    """
    with (
        open_source_early(
            commit=commit, working_tree=working_tree, quiet=verbosity < 0, may_be_unborn=True
        ) as source,
        _asked(cloud, online=online) as opened,
    ):
        plans = plans_of(
            source,
            pipelines,
            opened,
            parameters,
            environments,
            with_template=show_template,
            online=online,
        )
    if as_json:
        say_json(as_data(plans, source.commit, cloud))
    else:
        say(as_text(plans, source.commit, cloud, verbose=verbosity > 0))
    wrong = [plan for plan in plans if plan.problems]
    if report is not None:
        for plan in wrong:
            report_wrong(
                report,
                FileError(plan.problems),
                pipeline=plan.name,
                voting=plan.voting,
                verdict=Verdict.of(plan.exit_code),
                commit=source.commit,
                cloud=cloud,
            )
    return ExitCode.worst(plan.exit_code for plan in wrong if plan.voting)


def plans_of(
    source: Checkout,
    names: Sequence[str],
    cloud: Cloud | Unasked,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    *,
    with_template: bool = False,
    online: bool = False,
) -> list[PipelinePlan]:
    """The plans of all pipelines; those whose files cannot be read have problems only."""
    from infraci.model.decode import load_pipelines

    try:
        pipelines = load_pipelines(source.tree, names)
    except FileError as error:
        return [PipelinePlan(name=_stems(error), problems=error.problems)]
    plans = []
    for pipeline in pipelines:
        with _cloud_of(pipeline, cloud, online=online) as planner:
            plans.append(_plan(pipeline, source, planner, parameters, environments, with_template))
    return plans


@contextmanager
def _asked(cloud: str, *, online: bool) -> Iterator[Cloud | Unasked]:
    """The embedded cloud, a cloud that may be asked, or what stands for one that may not."""
    if online or cloud == LOCAL:
        with open_cloud(cloud) as opened:
            yield opened
    else:
        with open_unasked(cloud) as unasked:
            yield unasked


@contextmanager
def _cloud_of(
    pipeline: Pipeline, cloud: Cloud | Unasked, *, online: bool
) -> Iterator[Cloud | Unasked]:
    """The cloud that a cell of a matrix asks for, or the one that is open."""
    if cloud_of(pipeline, cloud.name) == cloud.name:
        yield cloud
    else:
        with _asked(pipeline.cloud, online=online) as opened:
            yield opened


def _plan(
    pipeline: Pipeline,
    source: Checkout,
    cloud: Cloud | Unasked,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    with_template: bool,
) -> PipelinePlan:
    from infraci.model.decode import load_project

    load = loader(
        pipeline,
        tree=source.tree,
        cloud=cloud,
        parameters=parameters,
        environments=environments,
    )
    ask = partial(
        plan_pipeline,
        cloud=cloud,
        examine=examine,
        name=f"infraci-plan-{secrets.token_hex(4)}",
        own_part=own_part(source.tree, cloud.name),
    )
    plan = ask(pipeline, root=source.tree, load=load, with_template=with_template)
    if is_untrusted():
        site = load_project(source.tree).cloud(cloud.name)
        plan = replace(plan, problems=(*plan.problems, *judge_untrusted(pipeline, site)))
    open_base = base_opener(
        pipeline,
        root=source.root,
        commit=source.commit,
        cloud=cloud,
        parameters=parameters,
        environments=environments,
    )
    if open_base is None:
        return plan
    try:
        with open_base() as base:
            before = ask(base.pipeline, root=base.tree, load=base.load)
            return with_upgrade(
                plan,
                pipeline,
                base=base.commit,
                before=before,
                template={} if plan.problems else load().template,
                updatable=cache(cloud.updatable),
            )
    except (DefinitionError, UsageError, UntestableUpgradeError) as error:
        advice = f"; {error.hint}" if error.hint else ""
        problem = Problem(
            file=str(pipeline.path), key_path="upgrade", message=f"{error.message}{advice}"
        )
        return replace(plan, problems=(*plan.problems, problem))


def _stems(error: FileError) -> str:
    return ", ".join(dict.fromkeys(Path(problem.file).stem for problem in error.problems))
