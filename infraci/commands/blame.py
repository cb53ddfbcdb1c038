"""``infraci blame``: which commit broke each failing testcase, or why none did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from infraci import git
from infraci.app.checkout import exported
from infraci.app.ci_reports import publish
from infraci.app.cloud_opening import open_cloud
from infraci.app.jenkins_controller import open_controller
from infraci.app.options import Overrides, cloud_option, json_option, stack_options
from infraci.app.record_history import matters, renew, tell_corrupt
from infraci.base.invocation import invocation
from infraci.base.terminal import say, say_json
from infraci.blame.finding import Finding, FindingKind
from infraci.blame.finding_output import as_data, as_text, summary
from infraci.blame.inquiry import Inquiry
from infraci.blame.line import Matters
from infraci.blame.local_runs import Runner
from infraci.blame.observations import Evidence
from infraci.blame.search import Budget, StandUp
from infraci.errors import ExitCode, UsageError
from infraci.history import History, Result
from infraci.ledger.ledger import Ledger
from infraci.model.decode import PIPELINES, PROJECT_FILE, load_pipelines
from infraci.model.problem import FileError
from infraci.model.run import Commit, Verdict
from infraci.pipeline import Interrupts

#: How many stacks may be stood up, if nobody says.
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
    help=f"How many stacks may be stood up (default: {_STACKS}; 0: say what is known).",
)
@click.option(
    "--time",
    "time_s",
    metavar="TIME",
    callback=_duration,
    help='How long to go on standing up stacks: "30m".',
)
@click.option(
    "--target",
    type=click.FloatRange(0.5, 0.9999),
    default=0.99,
    show_default=True,
    help="How sure to be.",
)
@click.option(
    "-j",
    "--jobs",
    metavar="K",
    type=click.IntRange(1, 8),
    default=1,
    show_default=True,
    help="How many stacks to stand up at once.",
)
@click.option(
    "--jenkins", is_flag=True, help="Stand stacks up in builds of the Jenkins job, on its agents."
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

    What the history knows is not run again; what it does not, is stood up as far as the budget
    goes: COMMIT once more, its parent, and what lies between the last pass and the failure.

    Exit status: 0 nothing fails or it is flaky, 1 a commit broke it, 125 no commit is blamed: it
    is not known, the cloud failed, or the world around the commits changed; 130 interrupted.
    """
    if jenkins and (parameters or environments):
        raise UsageError(
            "cannot have Jenkins build with -P or -e: its job takes a commit as it is",
            hint="put them into the pipeline file, or search here, without --jenkins",
        )
    root = git.repository_root(Path.cwd())
    asked = _Asked(
        root=root,
        head=git.resolve(root, commit),
        since=git.resolve(root, since) if since else None,
        cloud=cloud,
        given=Overrides(parameters=parameters, environments=environments).names,
        options=_options(parameters, environments),
        target=target,
        budget=Budget(runs=_STACKS if budget is None else budget, time_s=time_s, at_once=jobs),
        is_budget_given=budget is not None,
        controller=open_controller() if jenkins else None,
    )
    tell = (lambda line: None) if verbosity < 0 else (lambda line: say(line, err=True))
    findings: list[Finding] = []
    with Interrupts(), exported(root, asked.head) as tree:
        for subject in _subjects(asked, tree, pipelines):
            found = _inquiry(asked, subject, tell).findings()
            findings += found
            _publish(asked, subject, found, report)
    if as_json:
        say_json(as_data(findings, spent=asked.budget.spent))
    else:
        say(as_text(findings) or "no testcase fails")
    return exit_code(findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line asks for."""

    root: Path
    head: Commit
    since: Commit | None
    cloud: str
    given: tuple[str, ...]
    options: tuple[str, ...]
    target: float
    budget: Budget
    is_budget_given: bool
    controller: Any  # a Jenkins', whose agents stand stacks up; None for this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """A pipeline that is asked about; its file at the commit may be wrong."""

    name: str
    file: str
    cloud: str
    matters: Matters


def _subjects(asked: _Asked, tree: Path, names: Sequence[str]) -> Iterator[_Subject]:
    """The pipelines that were named, or have failed at the commit; if none was run there, all."""
    known = History(asked.root).results([asked.head.sha], on_corrupt=tell_corrupt)
    results = known.get(asked.head.sha, ())
    failed = {r.pipeline for r in results if r.verdict is not Verdict.PASSED}
    try:
        found = load_pipelines(tree, names)
    except FileError as error:
        wrong = {Path(problem.file).stem for problem in error.problems}
        for name in names or sorted(wrong):
            yield _wrong(asked, name)
        return
    for pipeline in found:
        if names or not results or pipeline.name in failed:
            yield _Subject(
                name=pipeline.name,
                file=str(pipeline.path),
                cloud=pipeline.cloud or asked.cloud,
                matters=matters(pipeline, tree),
            )


def _wrong(asked: _Asked, name: str) -> _Subject:
    """A pipeline whose file cannot be read at the commit: its plan is asked about."""
    file = str(PIPELINES / f"{name.partition('[')[0]}.yaml")
    return _Subject(
        name=name,
        file=file,
        cloud=asked.cloud,
        matters=lambda case, paths: tuple(p for p in paths if p in (file, str(PROJECT_FILE))),
    )


def _inquiry(asked: _Asked, subject: _Subject, tell: Callable[[str], None]) -> Inquiry:
    history = History(asked.root)
    return Inquiry(
        root=asked.root,
        head=asked.head,
        pipeline_file=subject.file,
        evidence=Evidence(
            lambda shas: history.results(shas, on_corrupt=tell_corrupt),
            pipeline=subject.name,
            cloud=subject.cloud,
            given=asked.given,
        ),
        stand_up=_stand_up(asked, subject, tell),
        can_try_out=asked.controller is None,  # an agent's clone has no commit that is made here
        budget=asked.budget,
        matters=subject.matters,
        target=asked.target,
        since=asked.since,
        is_budget_given=asked.is_budget_given,
        again=_again(asked, subject.name),
    )


def _stand_up(asked: _Asked, subject: _Subject, tell: Callable[[str], None]) -> StandUp:
    """What tests commits: builds on Jenkins' agents, or runs on this machine."""
    if asked.controller is not None:
        from infraci.jenkins.build_search import Builds

        return Builds(
            root=asked.root,
            controller=asked.controller,
            pipeline=subject.name,
            cloud=subject.cloud,
            tell=tell,
        )
    runner = Runner(
        root=asked.root,
        pipeline=subject.name,
        cloud=subject.cloud,
        given=asked.given,
        options=asked.options,
        tell=tell,
    )

    def stand_up(shas: Sequence[str]) -> Sequence[Result | None]:
        with open_cloud(subject.cloud):  # else each run would tell that there is none
            return runner(shas)

    return stand_up


def _again(asked: _Asked, pipeline: str) -> str:
    """The command that repeats a search, or goes on with it."""
    words = [asked.head.sha[:10], "--pipeline", pipeline]
    words += ["--since", asked.since.sha[:10]] if asked.since else []
    words += ["--jenkins"] if asked.controller is not None else []
    return invocation("blame", *words, cloud=asked.cloud)


def _publish(
    asked: _Asked, subject: _Subject, found: Sequence[Finding], report: Path | None
) -> None:
    """Put the findings into the reports of the commit's runs that this machine has."""
    ledger = Ledger(asked.root)
    blame = {str(finding.case or ""): summary(finding) for finding in found}
    known = History(asked.root).results([asked.head.sha]).get(asked.head.sha, ())
    searches = {result.run for result in known if result.of_search}
    which = (asked.head, subject.name, subject.cloud, asked.given)
    ours = [
        record
        for record in ledger.list()
        if (record.commit, record.pipeline, record.cloud, record.given) == which
        and record.id not in searches
    ]
    for record in ours:
        with suppress(UsageError), ledger.lock(record.id):  # one at work tells for itself
            if record.verdict not in (None, Verdict.PASSED):
                renew(replace(record, blame=blame), root=asked.root)
    if ours and report is not None:
        publish(ledger.folder(ours[-1].id).junit, ours[-1], report)


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """That of a command which ends with these findings."""
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


def _options(parameters: Mapping[str, str], environments: Sequence[Path]) -> tuple[str, ...]:
    """-P and -e for the runs that are started."""
    given = [part for name, value in parameters.items() for part in ("-P", f"{name}={value}")]
    files = [part for path in environments for part in ("-e", str(path.absolute()))]
    return (*given, *files)
