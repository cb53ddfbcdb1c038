"""A controller in trouble: only a fake one can be made to have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jenkinsapi.custom_exceptions import JenkinsAPIException
from jenkinsapi.jenkins import Jenkins
from jenkinsapi.utils.requester import Requester

from infraci.base.deadline import Deadline
from infraci.jenkins.build_watch import watch_queued
from infraci.jenkins.controller import Controller
from infraci.jenkins.jenkins_error import JenkinsAwayError, JenkinsError, NoSuchJobError
from infraci.jenkins.requester import RetryingRequester
from infraci.jenkins.settings import Settings
from tests.jenkins.conftest import Connect
from tests.jenkins.fake_jenkins import PASSWORD, TOKEN, USER, FakeJenkins
from tests.jenkins.projects import FOLDER, project

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("fault", ["502", "503", "504", "reset"])
def test_passing_trouble_is_waited_for(connect: Connect, jenkins: FakeJenkins, fault: str) -> None:
    controller = connect()
    jenkins.faults += [fault, fault]
    controller.create(FOLDER)
    jenkins.faults += [fault, fault]
    assert controller.jobs() == ()


def test_lasting_trouble_is_not(jenkins: FakeJenkins) -> None:
    now = [0.0]
    requester = RetryingRequester(
        USER,
        TOKEN,
        baseurl=jenkins.url,
        retry_s=60,
        clock=lambda: now[0],
        sleep=lambda s: now.__setitem__(0, now[0] + s),
    )
    jenkins.faults += ["503"] * 200
    with pytest.raises(JenkinsAwayError, match="it answers 503") as caught:
        requester.get_url(jenkins.url)
    assert 50 < now[0] <= 60
    assert len(jenkins.faults) > 100  # ever less often
    assert "can send the commits again" in str(caught.value.hint)


def test_nobody_there() -> None:
    settings = Settings(url="http://127.0.0.1:9", user=USER, token=TOKEN, folder="shop")
    with pytest.raises(JenkinsAwayError, match=r"connection refused") as caught:
        Controller(settings, retry_s=0).jobs()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", ["500", "409", "403", "400"])
def test_what_lasts_is_not_asked_again(connect: Connect, jenkins: FakeJenkins, status: str) -> None:
    controller = connect()
    controller.create(FOLDER)
    jenkins.faults += [status]
    with pytest.raises(JenkinsError, match=status):
        controller.jobs()
    assert jenkins.faults == []


def test_a_password_gets_crumbs(connect: Connect, jenkins: FakeJenkins) -> None:
    connect(token=PASSWORD).create(FOLDER)
    assert any("crumbIssuer" in request for request in jenkins.requests)


def test_a_password_without_a_crumb_is_refused(jenkins: FakeJenkins) -> None:
    bare = Jenkins(jenkins.url, USER, PASSWORD, use_crumb=False)
    with pytest.raises(JenkinsAPIException, match="403"):
        bare.jobs.create("shop", FOLDER)


def test_a_crumb_of_another_session_is_refused(jenkins: FakeJenkins) -> None:
    one, other = (Requester(USER, PASSWORD, baseurl=jenkins.url) for _ in range(2))
    crumb = eval(one.get_url(f"{jenkins.url}/crumbIssuer/api/python").text)["crumb"]
    url = f"{jenkins.url}/createItem?name=shop"
    headers = {"Jenkins-Crumb": crumb}
    assert other.post_url(url, data=FOLDER, headers=dict(headers)).status_code == 403
    assert one.post_url(url, data=FOLDER, headers=dict(headers)).status_code == 200


def test_anonymous_and_wrong(jenkins: FakeJenkins) -> None:
    assert Requester(baseurl=jenkins.url).get_url(jenkins.url).status_code == 403
    assert Requester(USER, "no", baseurl=jenkins.url).get_url(jenkins.url).status_code == 401


def test_a_build_without_parameters_of_a_job_that_has_some(
    connect: Connect, jenkins: FakeJenkins
) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    requester = Requester(USER, TOKEN, baseurl=jenkins.url)
    assert requester.post_url(f"{controller.url('commit')}/build", data="x").status_code == 400


def test_a_queue_item_that_has_vanished(tmp_path: Path) -> None:
    with FakeJenkins(tmp_path, queue_memory_s=0) as jenkins:
        controller = Controller(
            Settings(url=jenkins.url, user=USER, token=TOKEN, folder="shop"), retry_s=5
        )
        controller.create(FOLDER)
        controller.create(project("true"), "commit")
        for number in (1, 2):
            queued = controller.trigger("commit", {"COMMIT": SHA})
            build = watch_queued(
                controller, queued, say=lambda _: None, deadline=Deadline(60, phase="the test")
            )
            assert (build.number, build.queue_id) == (number, queued.id)


def test_a_build_that_is_cancelled_in_the_queue(connect: Connect, jenkins: FakeJenkins) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    jenkins.state.held.set()
    queued = controller.trigger("commit", {"COMMIT": SHA})
    assert controller.build_in_queue(queued) is None
    jenkins.state.queue[queued.id].cancelled = True
    with pytest.raises(NoSuchJobError, match="it was cancelled"):
        controller.build_in_queue(queued)


def test_equal_builds_wait_once(connect: Connect, jenkins: FakeJenkins) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    jenkins.state.held.set()
    assert len({controller.trigger("commit", {"COMMIT": SHA}).id for _ in range(2)}) == 1


def test_another_url_than_its_own(connect: Connect, jenkins: FakeJenkins) -> None:
    connect().create(FOLDER)
    connect().create(project("true"), "commit")
    controller = connect(url=jenkins.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(JenkinsError, match="is configured with another URL"):
        controller.trigger("commit", {"COMMIT": SHA})


def test_answers_that_are_no_literal(connect: Connect, jenkins: FakeJenkins) -> None:
    jenkins.faults += ["200"]
    with pytest.raises(JenkinsError, match="no Python literal"):
        connect().jobs()


def test_the_token_is_nowhere(
    connect: Connect, jenkins: FakeJenkins, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    controller.trigger("commit", {"COMMIT": SHA})
    assert TOKEN not in repr(Settings(url="u", user="u", token=TOKEN, folder="f"))
    assert TOKEN not in caplog.text
    assert all(TOKEN not in text for text in jenkins.secrets_seen)
    with pytest.raises(JenkinsError) as caught:
        connect(token="guessed-wrongly").jobs()
    assert "guessed-wrongly" not in str(caught.value)
