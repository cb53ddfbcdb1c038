"""Sends requests to a controller: jenkinsapi's requester, with retries and infraci's errors."""

from __future__ import annotations

import ast
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from jenkinsapi.utils.crumb_requester import CrumbRequester

from infraci.base.deadline import waits
from infraci.jenkins.jenkins_error import JenkinsAwayError, JenkinsError, NoSuchJobError

#: Requests are retried for so long. A controller takes a minute to restart; a push does not wait.
RETRY_S = 20.0
_FIRST_S, _CEILING_S = 0.5, 5.0
#: Statuses of a controller that starts or is overloaded. 500 is its answer to bad XML.
_PASSING = frozenset({502, 503, 504})
_WHY = {
    400: "the job takes no such parameters",
    401: "the user or the API token is wrong",
    403: "the user may not do this",
    404: "it does not exist",
    409: "the job is disabled",
    500: "Jenkins refuses the request, or has a bug",
}


class RetryingRequester(CrumbRequester):  # type: ignore[misc]
    """Retries requests that fail temporarily, and fetches a crumb if the controller needs one.

    A controller may have handled a request whose answer is lost. A retry is harmless: sending a
    configuration twice changes nothing, and Jenkins queues equal builds once.
    """

    def __init__(
        self,
        *arguments: Any,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        # It would log each failed request with its crumb; infraci's errors say what matters.
        logging.getLogger("jenkinsapi").setLevel(logging.CRITICAL)
        self._retry_s = retry_s
        self._clock = clock
        self._sleep = sleep

    def get_url(self, url: str, *arguments: Any, **more: Any) -> requests.Response:
        """GET; raises JenkinsAwayError if there is no answer in time."""
        return self._with_retries(
            lambda: super(RetryingRequester, self).get_url(url, *arguments, **more)
        )

    def post_url(self, url: str, *arguments: Any, **more: Any) -> requests.Response:
        """POST; raises JenkinsAwayError if there is no answer in time."""
        return self._with_retries(
            lambda: super(RetryingRequester, self).post_url(url, *arguments, **more)
        )

    def _with_retries(self, ask: Callable[[], requests.Response]) -> requests.Response:
        end = self._clock() + self._retry_s
        for wait_s in waits(_FIRST_S, _CEILING_S):
            try:
                response = ask()
                if response.status_code not in _PASSING:
                    return response
                reason = f"it answers {response.status_code} {response.reason}"
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = _reason_of(error)
            except requests.RequestException as error:
                raise JenkinsError(f"cannot ask Jenkins: {type(error).__name__}") from error
            except RuntimeError as error:  # of CrumbRequester, with the whole answer in it
                raise JenkinsError(
                    "cannot ask Jenkins for a crumb: the user or the API token is wrong"
                ) from error
            if self._clock() + wait_s > end:
                break
            self._sleep(wait_s)
        raise JenkinsAwayError(
            f"cannot reach Jenkins at {self._baseurl}: {reason}",
            hint="check whether it runs; infraci can send the commits again later",
        )


def _reason_of(error: requests.RequestException) -> str:
    """Why there is no answer, without the URLs and objects in the errors of requests."""
    if isinstance(error, requests.Timeout):
        return "it does not answer in time"
    reasons = list(_causes(error))
    known = [r.strerror for r in reasons if isinstance(r, OSError) and r.strerror]
    return known[-1].lower() if known else "the connection was lost"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = [a for a in error.args if isinstance(a, BaseException)]
        reason = getattr(inner[0], "reason", inner[0]) if inner else None
        error = reason if isinstance(reason, BaseException) else error.__cause__


def check_response(
    response: requests.Response, what: str, *, accepted: tuple[int, ...] = (200,)
) -> None:
    """Raise JenkinsError unless the status of an answer is one of ``accepted``.

    ``what`` continues "cannot". Error pages of Jenkins are never shown: they are long, and may
    contain the request.
    """
    status = response.status_code
    if status in accepted:
        return
    kind = NoSuchJobError if status == 404 else JenkinsError
    why = _WHY.get(status, "for an unknown reason")
    hint = "`infraci jenkins setup` makes the jobs" if status == 404 else None
    raise kind(f"cannot {what}: {why} ({status} {response.reason})", hint=hint)


def literal(response: requests.Response) -> Any:
    """Parse the answer of an ``/api/python``, a Python literal, which jenkinsapi reads as JSON."""
    try:
        return ast.literal_eval(response.text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise JenkinsError("cannot read Jenkins' answer: it is no Python literal") from error
