"""Setting up: folder and jobs become what they should be, and stay what else they are."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from infraci.cli import main
from infraci.jenkins.configuration import PARAMETERS, Origin, job_xml, merged, parse
from infraci.jenkins.jenkins_error import JenkinsError
from infraci.jenkins.setup import carry_out, changes, superfluous
from infraci.model.pipeline import Schedule
from tests.jenkins.conftest import Connect
from tests.jenkins.fake_jenkins import TOKEN, USER, FakeJenkins
from tests.jenkins.interpreter import Interpreter
from tests.jenkins.projects import FOLDER, project
from tests.jenkins.test_jenkinsfile import take
from tests.model.trees import MINIMAL, make_tree, write

HOSTILE = "https://git.example.org/<&\"']]>$(id)é"
ORIGIN = Origin(url=HOSTILE, branch="main", credentials="git")


def set_up(connect: Connect, *schedules: Schedule) -> list[tuple[str, str]]:
    """Set up; returns what was done to which item."""
    controller = connect()
    done = []
    for change in changes(controller, schedules, ORIGIN):
        carry_out(controller, change)
        done.append((change.verb, change.job))
    return done


def test_folder_and_jobs_are_made_once(connect: Connect) -> None:
    schedules = (Schedule.COMMIT, Schedule.NIGHTLY)
    assert set_up(connect, *schedules) == [
        ("create", ""),
        ("create", "commit"),
        ("create", "nightly"),
    ]
    assert set_up(connect, *schedules) == []


def test_a_job_is_what_was_said(connect: Connect) -> None:
    set_up(connect, Schedule.HOURLY)
    job = parse(connect().configuration("hourly") or "")
    assert job.findtext(".//userRemoteConfigs/*/url") == HOSTILE
    assert job.findtext(".//userRemoteConfigs/*/credentialsId") == "git"
    assert job.findtext(".//branches/*/name") == "refs/heads/main"
    assert job.findtext(".//hudson.triggers.TimerTrigger/spec") == "H * * * *"
    assert job.findtext(".//scriptPath") == "Jenkinsfile"
    assert [p.findtext("name") for p in job.iterfind(".//parameterDefinitions/*")] == list(
        PARAMETERS
    )


@pytest.mark.parametrize(
    ("schedule", "spec"),
    [(Schedule.COMMIT, None), (Schedule.HOURLY, "H * * * *"), (Schedule.NIGHTLY, "H H(0-5) * * *")],
)
def test_schedules_are_triggers(schedule: Schedule, spec: str | None) -> None:
    assert job_xml(schedule, ORIGIN).findtext(".//spec") == spec


def test_the_jenkinsfile_has_the_same_parameters(interpreter: Interpreter) -> None:
    (definition,) = take(interpreter).events_of("definition")
    assert {
        name: tuple(details.get("choices", ()))
        for name, details in definition["parameters"].items()
    } == PARAMETERS


def test_only_what_is_ours_is_put_right(connect: Connect) -> None:
    set_up(connect, Schedule.COMMIT)
    controller = connect()
    job = parse(controller.configuration("commit") or "")
    branch = job.find(".//branches/*/name")
    assert branch is not None
    branch.text = "refs/heads/other"
    ET.SubElement(job, "quietPeriod").text = "7"
    ET.SubElement(job, "disabled").text = "true"
    controller.configure(ET.tostring(job, encoding="unicode"), "commit")
    assert set_up(connect, Schedule.COMMIT) == [("configure", "commit")]
    job = parse(controller.configuration("commit") or "")
    assert job.findtext(".//branches/*/name") == "refs/heads/main"
    assert (job.findtext("quietPeriod"), job.findtext("disabled")) == ("7", "true")
    assert set_up(connect, Schedule.COMMIT) == []


def test_parameters_that_the_jenkinsfile_wrote_stay(connect: Connect) -> None:
    set_up(connect, Schedule.COMMIT)
    controller = connect()
    job = parse(controller.configuration("commit") or "")
    for default in job.iter("defaultValue"):
        default.text = "other"
    controller.configure(ET.tostring(job, encoding="unicode"), "commit")
    assert set_up(connect, Schedule.COMMIT) == []


def test_another_kind_of_job_is_left_alone(connect: Connect) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    with pytest.raises(JenkinsError, match="a job of another kind"):
        set_up(connect, Schedule.COMMIT)


def test_superfluous_jobs_are_ours_and_unwanted(connect: Connect) -> None:
    set_up(connect, Schedule.COMMIT, Schedule.NIGHTLY)
    controller = connect()
    controller.create(project("true"), "somebody-elses")
    deletions = list(superfluous(controller, {Schedule.COMMIT}))
    assert [(change.verb, change.job) for change in deletions] == [("delete", "nightly")]
    carry_out(controller, deletions[0])
    assert set(controller.jobs()) == {"commit", "somebody-elses"}


def test_merging_does_not_change_what_is_given() -> None:
    xml = job_xml(Schedule.COMMIT, ORIGIN)
    before = ET.tostring(xml)
    merged(xml, job_xml(Schedule.HOURLY, ORIGIN))
    assert ET.tostring(xml) == before


@pytest.fixture
def repository(tmp_path: Path, jenkins: FakeJenkins, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose infraci talks to the fake Jenkins."""
    root = make_tree(tmp_path / "shop")
    write(root, "pipelines/web.yaml", f"schedule: [commit, hourly]\n{MINIMAL}")
    write(root, "Jenkinsfile", "pipeline {}\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "remote", "add", "origin", HOSTILE)
    commit(root)
    monkeypatch.chdir(root)
    for name, value in {
        "JENKINS_URL": jenkins.url,
        "JENKINS_USER_ID": USER,
        "JENKINS_API_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(name, value)
    return root


def git(root: Path, *arguments: str) -> None:
    somebody = ("-c", "user.name=Somebody", "-c", "user.email=s@example.org")
    subprocess.run(["git", *somebody, *arguments], cwd=root, check=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Change it")


def test_the_command(
    repository: Path, jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["jenkins", "setup", "--dry-run"]) == 0
    assert f"create {jenkins.url}/job/shop/job/hourly" in capsys.readouterr().out
    assert jenkins.state.root.items == {}
    assert main(["jenkins", "setup"]) == 0
    assert set(jenkins.state.root.items["shop"].items) == {"commit", "hourly"}
    printed = capsys.readouterr()
    assert "<spec>H * * * *</spec>" in printed.out
    assert "no credentials called infraci-ssh-key" in printed.err
    assert "no credentials called infraci-clouds-yaml" not in printed.err
    assert main(["jenkins", "setup"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "nothing to do" in printed.err
    write(repository, "pipelines/web.yaml", MINIMAL)
    commit(repository)
    assert main(["jenkins", "prune", "--dry-run"]) == 0
    assert set(jenkins.state.root.items["shop"].items) == {"commit", "hourly"}
    assert main(["jenkins", "prune"]) == 0
    assert set(jenkins.state.root.items["shop"].items) == {"commit"}
    assert all(TOKEN not in item.xml for item in jenkins.state.jobs())


def test_a_repository_without_a_jenkinsfile(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "Jenkinsfile").unlink()
    commit(repository)
    assert main(["jenkins", "setup"]) == 2
    assert "infraci jenkins jenkinsfile > Jenkinsfile" in capsys.readouterr().err


def test_a_jenkinsfile_that_jenkins_finds_wrong(
    repository: Path, jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository, "Jenkinsfile", "pipline {}\n")
    commit(repository)
    assert main(["jenkins", "setup"]) == 2
    assert "Errors encountered validating" in capsys.readouterr().err
    assert jenkins.state.root.items == {}


def test_the_pipelines_of_a_commit(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, "pipelines/new.yaml", f"voting: false\nschedule: [nightly]\n{MINIMAL}")
    commit(repository)
    assert main(["jenkins", "pipelines"]) == 0
    assert capsys.readouterr().out == "new non-voting\nweb voting\n"
    assert main(["jenkins", "pipelines", "--", "@commit"]) == 0
    assert capsys.readouterr().out == "web voting\n"


def test_the_jenkinsfile_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jenkins", "jenkinsfile"]) == 0
    assert capsys.readouterr().out == (Path(__file__).parents[2] / "Jenkinsfile").read_text()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("JENKINS_URL", "its URL is not known"),
        ("JENKINS_USER_ID", "its user is not known"),
        ("JENKINS_API_TOKEN", "there is no API token"),
    ],
)
def test_what_is_missing_is_named(
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    message: str,
) -> None:
    monkeypatch.delenv(missing)
    assert main(["jenkins", "setup"]) == 2
    assert message in capsys.readouterr().err


def test_git_knows_the_settings(
    repository: Path,
    jenkins: FakeJenkins,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("JENKINS_URL", "JENKINS_USER_ID", "JENKINS_API_TOKEN"):
        monkeypatch.delenv(name)
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    git(repository, "config", "infraci.jenkinsUrl", f"{jenkins.url}/")
    git(repository, "config", "infraci.jenkinsUser", USER)
    git(repository, "config", "infraci.jenkinsTokenFile", str(token))
    git(repository, "config", "infraci.jenkinsFolder", "elsewhere")
    assert main(["jenkins", "setup"]) == 0
    assert set(jenkins.state.root.items) == {"elsewhere"}
    token.write_text("\n")
    assert main(["jenkins", "setup"]) == 2
    assert "it is empty" in capsys.readouterr().err


def test_triggering_and_watching(
    repository: Path, jenkins: FakeJenkins, capsys: pytest.CaptureFixture[str], connect: Connect
) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(
        project('test "$COMMIT" && test "$CLOUD" = x', parameters=tuple(PARAMETERS)), "commit"
    )
    assert main(["jenkins", "trigger", "HEAD", "--cloud", "x", "--watch"]) == 0
    assert "commit #1: SUCCESS" in capsys.readouterr().err
    assert main(["jenkins", "trigger", "HEAD"]) == 0
    assert main(["jenkins", "trigger", "HEAD", "--watch"]) == 125
    assert main(["jenkins", "watch", "1"]) == 0
    assert main(["jenkins", "watch"]) == 125
    assert main(["jenkins", "trigger", "no-such-thing"]) == 2
    assert main(["jenkins", "watch", "77"]) == 125
