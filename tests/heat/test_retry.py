"""How often and how long infraci retries a cloud's requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

import pytest
import requests

from infraci.base.deadline import Deadline
from infraci.errors import CloudError, InterruptedRunError
from infraci.heat import TransientCloudError
from infraci.heat.cloud_errors import of_answer
from infraci.heat.retry import Retry
from tests.heat.fakes import FakeClock


def retry_of(clock: FakeClock) -> Retry:
    return Retry(clock=clock, sleep=clock.sleep)


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def request() -> str:
        if left:
            raise left.pop()
        return "answer"

    return request


def limit(clock: FakeClock, seconds: float) -> Deadline:
    return Deadline(seconds, clock=clock, sleep=clock.sleep)


def answered(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason, response.url = status, "reason", "http://cloud/servers"
    response.request = requests.Request("GET", response.url).prepare()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    response._content = body
    return response


def test_a_transient_error_is_retried() -> None:
    clock = FakeClock()
    assert retry_of(clock).call(failing(4, TransientCloudError("no"))) == "answer"
    assert 2 < clock.now < 10


def test_another_error_is_raised_at_once() -> None:
    clock = FakeClock()
    with pytest.raises(CloudError, match="no"):
        retry_of(clock).call(failing(1, CloudError("no")))
    assert clock.now == 0


def test_no_longer_than_the_innermost_deadline() -> None:
    clock = FakeClock()
    retry = retry_of(clock)
    with (
        pytest.raises(TransientCloudError, match="no"),
        retry.within(limit(clock, 1000)),
        retry.within(limit(clock, 30)),
    ):
        retry.call(failing(1000, TransientCloudError("no")))
    assert clock.now <= 30
    assert retry.deadline.seconds == 60  # where no deadline is set


def test_no_longer_than_the_error_is_likely_to_pass() -> None:
    clock = FakeClock()
    retry = retry_of(clock)
    with pytest.raises(TransientCloudError), retry.within(limit(clock, 1000)):
        retry.call(failing(1000, TransientCloudError("no", retry_for_s=10)))
    assert clock.now <= 10


def test_retry_after_is_waited_for() -> None:
    clock = FakeClock()
    retry = retry_of(clock)
    with retry.within(limit(clock, 100)):
        assert retry.call(failing(1, TransientCloudError("no", retry_after_s=42))) == "answer"
    assert clock.now >= 42


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    clock = FakeClock()
    retry = retry_of(clock)
    with pytest.raises(TransientCloudError), retry.within(limit(clock, 10)):
        retry.call(failing(1, TransientCloudError("no", retry_after_s=42)))
    assert clock.now == 0


def test_a_request_that_succeeded_is_not_sent_again() -> None:
    request = failing(1, TransientCloudError("lost"))
    assert retry_of(FakeClock()).call(request, look_up=lambda: "done") == "done"


def test_an_interruption_ends_retries() -> None:
    clock = FakeClock()
    deadline = limit(clock, 100)
    deadline.cancel()
    retry = retry_of(clock)
    with pytest.raises(InterruptedRunError), retry.within(deadline):
        retry.call(failing(1, TransientCloudError("no")))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "soon"}, 0),
        ({}, 0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: int) -> None:
    error = of_answer("cannot ask", answered(429, b"", **headers))
    assert isinstance(error, TransientCloudError)
    assert 0.9 * seconds <= error.retry_after_s <= seconds


def test_retry_after_a_date() -> None:
    date = formatdate(time.time() + 1000, usegmt=True)
    error = of_answer("cannot ask", answered(429, b"", Retry_After=date))
    assert isinstance(error, TransientCloudError)
    assert 900 <= error.retry_after_s <= 1000


def test_a_quota_does_not_pass_whatever_its_status() -> None:
    body = b'{"overLimit": {"message": "VolumeLimitExceeded: Maximum number of volumes allowed"}}'
    error = of_answer("cannot ask", answered(413, body, Retry_After="0"))
    assert not isinstance(error, TransientCloudError)
    assert error.category == "quota"


def test_a_request_that_is_too_large_does_not_get_smaller() -> None:
    assert not isinstance(of_answer("cannot ask", answered(413)), TransientCloudError)
