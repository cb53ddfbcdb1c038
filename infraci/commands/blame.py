"""``infraci blame``: which commit broke each failing testcase, or why none did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from infraci import git
from infraci.app.blame_search import (
    SearchRequest,
    inquiry,
    publish_findings,
    run_options,
    subjects,
)
from infraci.app.checkout import exported
from infraci.app.jenkins_controller import open_controller
from infraci.app.options import cloud_option, json_option, stack_options
from infraci.base.interrupts import Interrupts
from infraci.base.terminal import say, say_json
from infraci.blame.finding import Finding, FindingKind
from infraci.blame.finding_output import as_data, as_text
from infraci.blame.search import Budget
from infraci.errors import ExitCode, UsageError
from infraci.model.run import Overrides

#: How many stacks may be stood up without --budget.
_STACKS = 24


def _duration(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    from pydantic_core import PydanticCustomError

    from infraci.model.fields import parse_duration

    try:
        return parse_duration(value)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message()) from error


@click.command("blame", short_help="Say which commit broke each failing testcase, or why none did.")
@click.argument("commit", required=False, default="HEAD")
@click.option(
    "--pipeline", "pipelines", metavar="NAME", multiple=True, help="Only this pipeline. Repeatable."
)
@click.option("--since", metavar="REV", help="An older commit that was good.")
@click.option(
    "--budget",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"How many stacks to create at most (default: {_STACKS}; 0: use known results).",
)
@click.option(
    "--time",
    "time_s",
    metavar="TIME",
    callback=_duration,
    help='How long to go on creating stacks: "30m".',
)
@click.option(
    "--target",
    type=click.FloatRange(0.5, 0.9999),
    default=0.99,
    show_default=True,
    help="The search ends at this probability.",
)
@click.option(
    "-j",
    "--jobs",
    metavar="K",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="How many stacks to create at once.",
)
@click.option(
    "--jenkins", is_flag=True, help="Create stacks in builds of the Jenkins job, on its agents."
)
@cloud_option
@stack_options
@click.option(
    "--report",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the commit's JUnit reports there, with what is found.",
)
@json_option
@click.pass_obj
def command(
    verbosity: int,
    commit: str,
    pipelines: Sequence[str],
    since: str | None,
    budget: int | None,
    time_s: float | None,
    target: float,
    jobs: int,
    jenkins: bool,
    cloud: str,
    parameters: Mapping[str, str],
    environments: Sequence[Path],
    report: Path | None,
    as_json: bool,
) -> int:
    """Say which commit broke each failing testcase of COMMIT, or why none did.

    It uses the results that the history has, and runs what is missing, as far as the budget goes:
    COMMIT once more, its parent, and commits between the last pass and the failure.

    Exit status: 0 nothing fails or it is flaky, 1 a commit broke it, 125 no commit is blamed: it
    is not known, the cloud failed, or the world around the commits changed; 130 interrupted.
    """
    if jenkins and (parameters or environments):
        raise UsageError(
            "cannot have Jenkins build with -P or -e: its job takes a commit as it is",
            hint="put them into the pipeline file, or search here, without --jenkins",
        )
    root = git.repository_root(Path.cwd())
    overrides = Overrides(parameters=parameters, environments=environments)
    request = SearchRequest(
        root=root,
        head=git.resolve(root, commit),
        since=git.resolve(root, since) if since else None,
        cloud=cloud,
        overrides=overrides.names,
        options=run_options(overrides),
        target=target,
        budget=Budget(runs=_STACKS if budget is None else budget, time_s=time_s, at_once=jobs),
        is_budget_given=budget is not None,
        controller=open_controller() if jenkins else None,
    )
    tell = (lambda line: None) if verbosity < 0 else (lambda line: say(line, err=True))
    findings: list[Finding] = []
    with Interrupts(), exported(root, request.head) as tree:
        for subject in subjects(request, tree, pipelines):
            of_subject = inquiry(request, subject, tell).findings()
            findings += of_subject
            publish_findings(request, subject, of_subject, report)
    if as_json:
        say_json(as_data(findings, spent=request.budget.spent))
    else:
        say(as_text(findings) or "no testcase fails")
    return exit_code(findings)


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """The exit code of a command that ends with these findings."""
    return ExitCode.worst(_EXIT_CODES[finding.kind] for finding in findings)


_EXIT_CODES: Mapping[FindingKind, ExitCode] = {
    FindingKind.NEW: ExitCode.FAILED,
    FindingKind.BEFORE: ExitCode.FAILED,
    FindingKind.FLAKY: ExitCode.PASSED,
    FindingKind.WORLD: ExitCode.UNTESTABLE,
    FindingKind.OUTSIDE: ExitCode.UNTESTABLE,
    FindingKind.INFRASTRUCTURE: ExitCode.UNTESTABLE,
    FindingKind.UNKNOWN: ExitCode.UNTESTABLE,
}
