"""A controller in trouble: only a stand-in can be made to have it."""

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
from tests.jenkins.projects import FOLDER, project
from tests.jenkins.standin import PASSWORD, TOKEN, USER, StandIn

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("fault", ["502", "503", "504", "reset"])
def test_passing_trouble_is_waited_for(connect: Connect, standin: StandIn, fault: str) -> None:
    controller = connect()
    standin.faults += [fault, fault]
    controller.create(FOLDER)
    standin.faults += [fault, fault]
    assert controller.jobs() == ()


def test_lasting_trouble_is_not(standin: StandIn) -> None:
    now = [0.0]
    requester = RetryingRequester(
        USER,
        TOKEN,
        baseurl=standin.url,
        retry_s=60,
        clock=lambda: now[0],
        sleep=lambda s: now.__setitem__(0, now[0] + s),
    )
    standin.faults += ["503"] * 200
    with pytest.raises(JenkinsAwayError, match="it answers 503") as caught:
        requester.get_url(standin.url)
    assert 50 < now[0] <= 60
    assert len(standin.faults) > 100  # ever less often
    assert "can send the commits again" in str(caught.value.hint)


def test_nobody_there() -> None:
    settings = Settings(url="http://127.0.0.1:9", user=USER, token=TOKEN, folder="shop")
    with pytest.raises(JenkinsAwayError, match=r"connection refused") as caught:
        Controller(settings, retry_s=0).jobs()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", ["500", "409", "403", "400"])
def test_what_lasts_is_not_asked_again(connect: Connect, standin: StandIn, status: str) -> None:
    controller = connect()
    controller.create(FOLDER)
    standin.faults += [status]
    with pytest.raises(JenkinsError, match=status):
        controller.jobs()
    assert standin.faults == []


def test_a_password_gets_crumbs(connect: Connect, standin: StandIn) -> None:
    connect(token=PASSWORD).create(FOLDER)
    assert any("crumbIssuer" in request for request in standin.requests)


def test_a_password_without_a_crumb_is_refused(standin: StandIn) -> None:
    bare = Jenkins(standin.url, USER, PASSWORD, use_crumb=False)
    with pytest.raises(JenkinsAPIException, match="403"):
        bare.jobs.create("shop", FOLDER)


def test_a_crumb_of_another_session_is_refused(standin: StandIn) -> None:
    one, other = (Requester(USER, PASSWORD, baseurl=standin.url) for _ in range(2))
    crumb = eval(one.get_url(f"{standin.url}/crumbIssuer/api/python").text)["crumb"]
    url = f"{standin.url}/createItem?name=shop"
    headers = {"Jenkins-Crumb": crumb}
    assert other.post_url(url, data=FOLDER, headers=dict(headers)).status_code == 403
    assert one.post_url(url, data=FOLDER, headers=dict(headers)).status_code == 200


def test_anonymous_and_wrong(standin: StandIn) -> None:
    assert Requester(baseurl=standin.url).get_url(standin.url).status_code == 403
    assert Requester(USER, "no", baseurl=standin.url).get_url(standin.url).status_code == 401


def test_a_build_without_parameters_of_a_job_that_has_some(
    connect: Connect, standin: StandIn
) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    requester = Requester(USER, TOKEN, baseurl=standin.url)
    assert requester.post_url(f"{controller.url('commit')}/build", data="x").status_code == 400


def test_a_queue_item_that_has_vanished(tmp_path: Path) -> None:
    with StandIn(tmp_path, queue_memory_s=0) as standin:
        controller = Controller(
            Settings(url=standin.url, user=USER, token=TOKEN, folder="shop"), retry_s=5
        )
        controller.create(FOLDER)
        controller.create(project("true"), "commit")
        for number in (1, 2):
            queued = controller.trigger("commit", {"COMMIT": SHA})
            build = watch_queued(
                controller, queued, say=lambda _: None, deadline=Deadline(60, phase="the test")
            )
            assert (build.number, build.queue_id) == (number, queued.id)


def test_a_build_that_is_cancelled_in_the_queue(connect: Connect, standin: StandIn) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    standin.state.held.set()
    queued = controller.trigger("commit", {"COMMIT": SHA})
    assert controller.build_in_queue(queued) is None
    standin.state.queue[queued.id].cancelled = True
    with pytest.raises(NoSuchJobError, match="it was cancelled"):
        controller.build_in_queue(queued)


def test_equal_builds_wait_once(connect: Connect, standin: StandIn) -> None:
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    standin.state.held.set()
    assert len({controller.trigger("commit", {"COMMIT": SHA}).id for _ in range(2)}) == 1


def test_another_url_than_its_own(connect: Connect, standin: StandIn) -> None:
    connect().create(FOLDER)
    connect().create(project("true"), "commit")
    controller = connect(url=standin.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(JenkinsError, match="is configured with another URL"):
        controller.trigger("commit", {"COMMIT": SHA})


def test_answers_that_are_no_literal(connect: Connect, standin: StandIn) -> None:
    standin.faults += ["200"]
    with pytest.raises(JenkinsError, match="no Python literal"):
        connect().jobs()


def test_the_token_is_nowhere(
    connect: Connect, standin: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    controller = connect()
    controller.create(FOLDER)
    controller.create(project("true"), "commit")
    controller.trigger("commit", {"COMMIT": SHA})
    assert TOKEN not in repr(Settings(url="u", user="u", token=TOKEN, folder="f"))
    assert TOKEN not in caplog.text
    assert all(TOKEN not in text for text in standin.secrets_seen)
    with pytest.raises(JenkinsError) as caught:
        connect(token="guessed-wrongly").jobs()
    assert "guessed-wrongly" not in str(caught.value)
