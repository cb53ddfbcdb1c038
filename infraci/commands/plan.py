"""``infraci plan``: what a run would make and run, and everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from infraci.app.checkout import open_checkout
from infraci.app.ci_reports import report_wrong
from infraci.app.options import cloud_option, json_option, source_options, stack_options
from infraci.app.planning import open_planner, plans_of
from infraci.base.terminal import say, say_json
from infraci.errors import ExitCode
from infraci.model.problem import FileError
from infraci.model.run import Overrides, Verdict
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
        open_checkout(
            commit=commit,
            working_tree=working_tree,
            quiet=verbosity < 0,
            may_be_unborn=True,
            preload=(),
        ) as checkout,
        open_planner(cloud, online=online) as opened,
    ):
        plans = plans_of(
            checkout,
            pipelines,
            opened,
            Overrides(parameters=parameters, environments=environments),
            with_template=show_template,
            online=online,
        )
    if as_json:
        say_json(as_data(plans, checkout.commit, cloud))
    else:
        say(as_text(plans, checkout.commit, cloud, verbose=verbosity > 0))
    wrong = [plan for plan in plans if plan.problems]
    if report is not None:
        for plan in wrong:
            report_wrong(
                report,
                FileError(plan.problems),
                pipeline=plan.name,
                voting=plan.voting,
                verdict=Verdict.of(plan.exit_code),
                commit=checkout.commit,
                cloud=cloud,
            )
    return ExitCode.worst(plan.exit_code for plan in wrong if plan.voting)
