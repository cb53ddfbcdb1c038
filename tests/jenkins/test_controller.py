"""What a controller does, by the fake one, and by a real one where JENKINS_URL names it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from jenkinsapi.jenkins import Jenkins

from infraci.base.deadline import Deadline
from infraci.errors import ExitCode
from infraci.jenkins.build_watch import watch, watch_queued
from infraci.jenkins.builds import Build
from infraci.jenkins.controller import Controller
from infraci.jenkins.jenkins_error import JenkinsError, NoSuchJobError
from infraci.jenkins.settings import Settings
from tests.jenkins.fake_jenkins import TOKEN, USER, FakeJenkins
from tests.jenkins.projects import FOLDER, REPORT, project

SHA = "0123456789abcdef0123456789abcdef01234567"
_LIVE = os.environ.get("JENKINS_URL", "")


@pytest.fixture(params=["fake", *(["live"] if _LIVE else [])])
def settings(request: pytest.FixtureRequest) -> Settings:
    """How to reach a controller, and a folder that is there for the test only."""
    folder = f"infraci-test-{secrets.token_hex(4)}"
    if request.param == "live":
        return Settings(
            url=_LIVE.rstrip("/"),
            user=os.environ["JENKINS_USER_ID"],
            token=os.environ["JENKINS_API_TOKEN"],
            folder=folder,
        )
    jenkins: FakeJenkins = request.getfixturevalue("jenkins")
    return Settings(url=jenkins.url, user=USER, token=TOKEN, folder=folder)


@pytest.fixture
def controller(settings: Settings) -> Iterator[Controller]:
    """A controller with an empty folder."""
    made = Controller(settings)
    made.create(FOLDER)
    yield made
    with suppress(JenkinsError):
        made.delete("")


def deadline() -> Deadline:
    return Deadline(120, phase="the test")


def built(controller: Controller, shell: str, job: str = "commit") -> Build:
    """Build a job with that shell step."""
    if job not in controller.jobs():
        controller.create(project(shell), job)
    else:
        controller.configure(project(shell), job)
    queued = controller.trigger(job, {"COMMIT": SHA})
    return watch_queued(controller, queued, say=print, deadline=deadline())


def test_a_job_comes_and_goes(controller: Controller) -> None:
    assert controller.jobs() == ()
    assert controller.configuration("commit") is None
    controller.create(project("true"), "commit")
    assert controller.jobs() == ("commit",)
    assert "<command>true</command>" in (controller.configuration("commit") or "")
    controller.configure(project("echo other"), "commit")
    assert "echo other" in (controller.configuration("commit") or "")
    controller.delete("commit")
    controller.delete("commit")  # gone already
    assert controller.jobs() == ()


def test_there_is_no_second_job_of_a_name(controller: Controller) -> None:
    controller.create(project("true"), "commit")
    with pytest.raises(JenkinsError, match="400"):
        controller.create(project("true"), "commit")


def test_a_folder_that_is_not_there(settings: Settings) -> None:
    controller = Controller(settings)
    assert controller.configuration() is None
    with pytest.raises(NoSuchJobError, match="it does not exist") as caught:
        controller.jobs()
    assert "infraci jenkins setup" in str(caught.value.hint)


def test_bad_xml(controller: Controller) -> None:
    with pytest.raises(JenkinsError, match=r"Jenkins refuses the request.*500"):
        controller.create("<project><oops>", "commit")


def test_a_build_passes(controller: Controller) -> None:
    build = built(controller, 'mkdir -p out; echo "$COMMIT" > out/commit')
    assert (build.result, build.exit_code) == ("SUCCESS", ExitCode.PASSED)
    assert build.commit == SHA
    assert build.artifacts == ("out/commit",)
    assert controller.artifact(build, "out/commit") == f"{SHA}\n".encode()


def test_a_build_fails(controller: Controller) -> None:
    build = built(controller, "exit 3")
    assert (build.result, build.exit_code) == ("FAILURE", ExitCode.UNTESTABLE)


def test_a_report_with_failures_is_unstable(controller: Controller, settings: Settings) -> None:
    build = built(controller, f"mkdir -p out; cat > out/r.xml <<'END'\n{REPORT}END")
    assert (build.result, build.exit_code) == ("UNSTABLE", ExitCode.FAILED)
    jenkins = Jenkins(settings.url, settings.user, settings.token)
    report = jenkins[f"{settings.folder}/commit"].get_build(build.number).get_resultset()
    assert {name: result.status for name, result in report.items()} == {
        "c.good": "PASSED",
        "c.bad": "FAILED",
    }


def test_an_artifact_that_is_not_there(controller: Controller) -> None:
    with pytest.raises(NoSuchJobError, match="cannot read nothing of build 1"):
        controller.artifact(built(controller, "true"), "nothing")


def test_builds_are_listed_the_newest_first(controller: Controller) -> None:
    for _ in range(3):
        built(controller, "true")
    assert [build.number for build in controller.builds("commit")] == [3, 2, 1]


def test_a_build_is_aborted_while_it_is_watched(controller: Controller) -> None:
    controller.create(project("sleep 300"), "commit")
    queued = controller.trigger("commit", {"COMMIT": SHA})

    def abort(line: str) -> None:
        if "http" in line:
            controller.stop("commit", 1)

    build = watch_queued(controller, queued, say=abort, deadline=deadline())
    assert (build.result, build.exit_code) == ("ABORTED", ExitCode.INTERRUPTED)


def test_a_job_without_parameters(controller: Controller) -> None:
    controller.create(project("true", parameters=()), "commit")
    with pytest.raises(JenkinsError, match="has no parameters"):
        controller.trigger("commit", {"COMMIT": SHA})


def test_parameters_that_come_later(controller: Controller) -> None:
    controller.create(project("true", parameters=()), "commit")
    with pytest.raises(JenkinsError, match="has no parameters"):
        controller.trigger("commit", {"COMMIT": SHA})
    assert built(controller, "true").commit == SHA


def test_a_job_that_is_disabled(controller: Controller, settings: Settings) -> None:
    controller.create(project("true"), "commit")
    jenkins = Jenkins(settings.url, settings.user, settings.token)
    jenkins[f"{settings.folder}/commit"].disable()
    with pytest.raises(JenkinsError, match="the job is disabled"):
        controller.trigger("commit", {"COMMIT": SHA})


def test_a_job_that_was_renamed(controller: Controller) -> None:
    controller.create(project("true"), "other")
    with pytest.raises(NoSuchJobError, match=r"cannot find the job .*/commit"):
        controller.trigger("commit", {"COMMIT": SHA})
    with pytest.raises(NoSuchJobError):
        watch(controller, "commit", 1, say=print, deadline=deadline())


def test_a_wrong_token(settings: Settings) -> None:
    controller = Controller(replace(settings, token="wrong"))
    with pytest.raises(JenkinsError, match="the user or the API token is wrong") as caught:
        controller.jobs()
    assert "wrong" not in str(caught.value.hint)


def test_a_jenkinsfile_is_validated(controller: Controller) -> None:
    assert controller.validate(
        "pipeline { agent any; stages { stage('a') { steps { echo '' }}}}"
    ) in (None,)
    assert "Errors encountered" in (controller.validate("pipline {}") or "")
