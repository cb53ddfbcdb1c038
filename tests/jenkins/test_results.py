"""What builds say of a commit: their own reports count, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infraci.app.jenkins_results import lines
from infraci.base.deadline import Deadline
from infraci.errors import ExitCode
from infraci.jenkins.build_watch import watch_queued
from infraci.jenkins.builds import Build, build_of
from infraci.jenkins.controller import Controller
from infraci.jenkins.jenkins_error import JenkinsError
from infraci.jenkins.results import CommitResult, read_report, results_of
from infraci.model.run import Outcome, Verdict
from infraci.report.junit import write_junit
from tests.jenkins.conftest import Connect
from tests.jenkins.projects import FOLDER, project
from tests.records import COMMIT, record

OTHER = "b" * 40


@pytest.fixture
def controller(connect: Connect) -> Controller:
    """A controller whose job archives what it finds in a folder."""
    made = connect()
    made.create(FOLDER)
    return made


def built(controller: Controller, reports: Path | None, sha: str = COMMIT.sha) -> Build:
    """Have the commit built by a job that finds these reports."""
    shell = f"rm -f *.xml; {f'cp {reports}/* .' if reports else 'exit 1'}"
    xml = project(shell).replace("out/**", "*.xml")
    if "commit" in controller.jobs():
        controller.configure(xml, "commit")
    else:
        controller.create(xml, "commit")
    queued = controller.trigger("commit", {"COMMIT": sha})
    return watch_queued(
        controller, queued, say=lambda _: None, deadline=Deadline(60, phase="the test")
    )


def written(folder: Path, name: str = "web", **changes: object) -> Path:
    """Write a report as infraci does."""
    folder.mkdir(exist_ok=True)
    write_junit(folder / f"{name}.xml", record(pipeline=name, **changes))
    return folder


def result(controller: Controller) -> CommitResult:
    return results_of(controller, COMMIT.sha, ["commit"])


def test_a_commit_is_what_its_reports_say(controller: Controller, tmp_path: Path) -> None:
    reports = written(tmp_path / "r", verdict=Verdict.FAILED)
    written(reports, "new", verdict=Verdict.ERROR, voting=False)
    written(reports, "db", verdict=Verdict.PASSED, testcases=())
    build = built(controller, reports)
    results = result(controller)
    assert results.verdict is Verdict.FAILED
    assert [(p.pipeline, p.verdict, p.voting) for p in results.pipelines] == [
        ("db", Verdict.PASSED, True),
        ("new", Verdict.ERROR, False),
        ("web", Verdict.FAILED, True),
    ]
    web = results.pipelines[2]
    assert (web.author, web.email, web.subject) == (COMMIT.author, COMMIT.email, COMMIT.subject)
    failed = [t for t in record().testcases if t.outcome in (Outcome.FAILURE, Outcome.ERROR)]
    assert [f.name for f in web.failures] == [t.name for t in failed]
    assert web.build.number == build.number
    assert web.reproduce == f"infraci run --commit {COMMIT.sha[:10]} web"
    assert any("(non-voting)" in line for line in lines(results))


def test_the_newest_build_of_a_pipeline_counts(controller: Controller, tmp_path: Path) -> None:
    built(controller, written(tmp_path / "a", verdict=Verdict.ERROR))
    built(controller, written(tmp_path / "b", verdict=Verdict.PASSED, testcases=()))
    assert result(controller).verdict is Verdict.PASSED


def test_a_report_of_another_commit_does_not_count(controller: Controller, tmp_path: Path) -> None:
    wrong = replace(COMMIT, sha=OTHER)
    built(controller, written(tmp_path / "a", verdict=Verdict.PASSED, commit=wrong))
    results = result(controller)
    assert results.pipelines == ()
    assert f"says it built {COMMIT.sha[:10]}, its report says {OTHER[:10]}" in results.doubts[0]
    assert results_of(controller, OTHER, ["commit"]).builds == ()


def test_a_build_without_a_report(controller: Controller) -> None:
    built(controller, None)
    results = result(controller)
    assert results.verdict is Verdict.ERROR
    assert results.verdict.exit_code is ExitCode.UNTESTABLE
    assert "ended FAILURE without a report" in results.doubts[0]


def test_a_commit_that_nobody_knows(controller: Controller) -> None:
    controller.create(project("true"), "commit")
    results = result(controller)
    assert (results.verdict, results.is_building) == (None, False)
    assert "it has no build" in list(lines(results))[-1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<testsuites/>", "it names no commit"),
        (b"<oops", "cannot read a report"),
        (b"", "cannot read a report"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuites/>', "cannot read a report"),
        (b"<a>" * 100_000, "nested deeper"),
        (b'<!DOCTYPE a [<!ENTITY a "a">]><testsuites/>', "a document type"),
        (b'<a><property name="infraci.commit" value="--all"/></a>', "it names no commit"),
    ],
)
def test_what_is_no_report_of_ours(content: bytes, reason: str) -> None:
    with pytest.raises(JenkinsError, match=reason):
        read_report(content, build_of("commit", _DATA))


def test_what_a_report_says_steers_no_terminal_and_forges_no_line() -> None:
    hostile = "x&#10;forged: passed&#13;&#x9b;2J&#x202e;"
    names = ("pipeline", "cause", "author", "email", "subject")
    properties = "".join(f'<property name="infraci.{n}" value="{hostile}"/>' for n in names)
    content = (
        f'<a><property name="infraci.commit" value="{COMMIT.sha}"/>{properties}'
        f'<testcase name="{hostile}" classname="{hostile}"><failure message="{hostile}"/>'
        "</testcase></a>"
    ).encode()
    sha, results = read_report(content, build_of("commit", _DATA))
    texts = [results.pipeline, results.cause, results.author, results.email, results.subject]
    texts += [text for f in results.failures for text in (f.name, f.classname, f.message)]
    assert texts == ["x forged: passed"] * 8
    assert results.reproduce.endswith("'x forged: passed'")
    known = CommitResult(sha=sha, pipelines=(results,), builds=(results.build,), doubts=())
    assert all(line.isprintable() for line in lines(known))


_DATA = {"number": 3, "url": "https://ci.example.org/3/", "building": False, "result": "SUCCESS"}


@pytest.mark.parametrize(
    ("description", "parameter", "expected"),
    [
        (OTHER, "main", OTHER),
        (None, OTHER, OTHER),
        ("by hand", OTHER, OTHER),
        (None, "main", ""),
        ("<script>", "$(id)", ""),
    ],
)
def test_which_commit_a_build_is_about(
    description: str | None, parameter: str, expected: str
) -> None:
    actions = [None, {}, {"parameters": [{"name": "COMMIT", "value": parameter}]}]
    data = {**_DATA, "description": description, "actions": actions}
    assert build_of("commit", data).commit == expected
