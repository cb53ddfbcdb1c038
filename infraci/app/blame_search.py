"""Searches which commit broke a testcase: what ``infraci blame`` asks, runs and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infraci.app.ci_reports import publish
from infraci.app.cloud_opening import open_cloud
from infraci.app.record_history import matters, renew, tell_corrupt
from infraci.base.invocation import invocation
from infraci.blame.finding import Finding
from infraci.blame.finding_output import summary
from infraci.blame.inquiry import Inquiry
from infraci.blame.line import Matters
from infraci.blame.local_runs import Runner
from infraci.blame.observations import Evidence
from infraci.blame.search import Budget, StandUp
from infraci.errors import UsageError
from infraci.history import History, Result
from infraci.ledger.ledger import Ledger
from infraci.model.decode import PIPELINES, PROJECT_FILE, load_pipelines
from infraci.model.problem import FileError
from infraci.model.run import Commit, Overrides, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What ``infraci blame`` searches: a commit's failures, within a budget."""

    root: Path
    head: Commit
    since: Commit | None
    cloud: str
    overrides: tuple[str, ...]  # what the command line changes of a stack, without values
    options: tuple[str, ...]
    target: float
    budget: Budget
    is_budget_given: bool
    controller: Any  # a Jenkins', whose agents stand stacks up; None for this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A pipeline whose failures are searched; its file at the commit may be wrong."""

    name: str
    file: str
    cloud: str
    matters: Matters


def subjects(request: SearchRequest, tree: Path, names: Sequence[str]) -> Iterator[Subject]:
    """The named pipelines, or those that failed at the commit; all, if none was run there."""
    results_by_sha = History(request.root).results([request.head.sha], on_corrupt=tell_corrupt)
    results = results_by_sha.get(request.head.sha, ())
    failed = {r.pipeline for r in results if r.verdict is not Verdict.PASSED}
    try:
        pipelines = load_pipelines(tree, names)
    except FileError as error:
        wrong = {Path(problem.file).stem for problem in error.problems}
        for name in names or sorted(wrong):
            yield _wrong(request, name)
        return
    for pipeline in pipelines:
        if names or not results or pipeline.name in failed:
            yield Subject(
                name=pipeline.name,
                file=str(pipeline.path),
                cloud=pipeline.cloud or request.cloud,
                matters=matters(pipeline, tree),
            )


def _wrong(request: SearchRequest, name: str) -> Subject:
    """A pipeline whose file cannot be read at the commit: its plan phase is searched."""
    file = str(PIPELINES / f"{name.partition('[')[0]}.yaml")
    return Subject(
        name=name,
        file=file,
        cloud=request.cloud,
        matters=lambda case, paths: tuple(p for p in paths if p in (file, str(PROJECT_FILE))),
    )


def inquiry(request: SearchRequest, subject: Subject, tell: Callable[[str], None]) -> Inquiry:
    """The search for the causes of a pipeline's failures; ``tell`` gets a line for each step."""
    history = History(request.root)
    return Inquiry(
        root=request.root,
        head=request.head,
        pipeline_file=subject.file,
        evidence=Evidence(
            lambda shas: history.results(shas, on_corrupt=tell_corrupt),
            pipeline=subject.name,
            cloud=subject.cloud,
            overrides=request.overrides,
        ),
        stand_up=_stand_up(request, subject, tell),
        can_try_out=request.controller is None,  # an agent's clone has no commit that is made here
        budget=request.budget,
        matters=subject.matters,
        target=request.target,
        since=request.since,
        is_budget_given=request.is_budget_given,
        again=_repeat_command(request, subject.name),
    )


def _stand_up(request: SearchRequest, subject: Subject, tell: Callable[[str], None]) -> StandUp:
    """What tests commits: builds on Jenkins' agents, or runs on this machine."""
    if request.controller is not None:
        from infraci.jenkins.build_search import Builds

        return Builds(
            root=request.root,
            controller=request.controller,
            pipeline=subject.name,
            cloud=subject.cloud,
            tell=tell,
        )
    runner = Runner(
        root=request.root,
        pipeline=subject.name,
        cloud=subject.cloud,
        overrides=request.overrides,
        options=request.options,
        tell=tell,
    )

    def stand_up(shas: Sequence[str]) -> Sequence[Result | None]:
        with open_cloud(subject.cloud):  # else each run would report that there is none
            return runner(shas)

    return stand_up


def _repeat_command(request: SearchRequest, pipeline: str) -> str:
    """The command that repeats a search, or goes on with it."""
    words = [request.head.sha[:10], "--pipeline", pipeline]
    words += ["--since", request.since.sha[:10]] if request.since else []
    words += ["--jenkins"] if request.controller is not None else []
    return invocation("blame", *words, cloud=request.cloud)


def publish_findings(
    request: SearchRequest, subject: Subject, findings: Sequence[Finding], report: Path | None
) -> None:
    """Put the findings into the reports of the commit's runs that this machine has."""
    ledger = Ledger(request.root)
    blame = {str(finding.case or ""): summary(finding) for finding in findings}
    results_by_sha = History(request.root).results([request.head.sha]).get(request.head.sha, ())
    searches = {result.run for result in results_by_sha if result.of_search}
    which = (request.head, subject.name, subject.cloud, request.overrides)
    records = [
        record
        for record in ledger.list()
        if (record.commit, record.pipeline, record.cloud, record.overrides) == which
        and record.id not in searches
    ]
    for record in records:
        with suppress(UsageError), ledger.lock(record.id):  # a run at work writes its own
            if record.verdict not in (None, Verdict.PASSED):
                renew(replace(record, blame=blame), root=request.root)
    if records and report is not None:
        publish(ledger.folder(records[-1].id).junit, records[-1], report)


def run_options(overrides: Overrides) -> tuple[str, ...]:
    """-P and -e for the runs that are started."""
    options = []
    for name, value in overrides.parameters.items():
        options += ["-P", f"{name}={value}"]
    for path in overrides.environments:
        options += ["-e", str(path.absolute())]
    return tuple(options)
