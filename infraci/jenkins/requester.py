"""How a controller is asked: jenkinsapi's requester, with patience and errors of ours."""

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

#: A controller that restarts is back within a minute or so; a push does not wait for it.
PATIENCE_S = 20.0
_FIRST_S, _CEILING_S = 0.5, 5.0
#: A controller behind a proxy that starts, or is overloaded. 500 is its answer to bad XML.
_PASSING = frozenset({502, 503, 504})
_WHY = {
    400: "the job takes no such parameters",
    401: "the user or the API token is wrong",
    403: "the user may not do this",
    404: "there is no such thing",
    409: "the job is disabled",
    500: "Jenkins refuses what was sent, or has a bug",
}


class PatientRequester(CrumbRequester):  # type: ignore[misc]
    """Asks again when a controller is in passing trouble; a crumb is fetched where one is wanted.

    What was sent may have been heard although the answer was lost. Asking again is harmless all
    the same: a configuration is the same twice, and Jenkins puts equal builds in its queue once.
    """

    def __init__(
        self,
        *arguments: Any,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        **more: Any,
    ) -> None:
        super().__init__(*arguments, **more)
        # It would log each failing request, crumbs and all; what matters is in our errors.
        logging.getLogger("jenkinsapi").setLevel(logging.CRITICAL)
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep

    def get_url(self, url: str, *arguments: Any, **more: Any) -> requests.Response:
        """GET; raises JenkinsAwayError when there is no answer in time."""
        return self._patiently(
            lambda: super(PatientRequester, self).get_url(url, *arguments, **more)
        )

    def post_url(self, url: str, *arguments: Any, **more: Any) -> requests.Response:
        """POST; raises JenkinsAwayError when there is no answer in time."""
        return self._patiently(
            lambda: super(PatientRequester, self).post_url(url, *arguments, **more)
        )

    def _patiently(self, ask: Callable[[], requests.Response]) -> requests.Response:
        end = self._clock() + self._patience_s
        for wait_s in waits(_FIRST_S, _CEILING_S):
            try:
                response = ask()
                if response.status_code not in _PASSING:
                    return response
                trouble = f"it answers {response.status_code} {response.reason}"
            except (requests.ConnectionError, requests.Timeout) as error:
                trouble = _plainly(error)
            except requests.RequestException as error:
                raise JenkinsError(f"cannot ask Jenkins: {type(error).__name__}") from error
            except RuntimeError as error:  # CrumbRequester's, with the whole answer in it
                raise JenkinsError(
                    "cannot ask Jenkins for a crumb: the user or the API token is wrong"
                ) from error
            if self._clock() + wait_s > end:
                break
            self._sleep(wait_s)
        raise JenkinsAwayError(
            f"cannot reach Jenkins at {self._baseurl}: {trouble}",
            hint="see whether it runs; what was to be built can be sent again",
        )


def _plainly(error: requests.RequestException) -> str:
    """Why there is no answer, without the URLs and objects that requests puts into it."""
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


def judge(response: requests.Response, what: str, *, well: tuple[int, ...] = (200,)) -> None:
    """Raise what an answer means, unless it is one of those that mean well.

    ``what`` continues "cannot". Jenkins' pages of an error are never shown: they are long, and
    may hold what was sent.
    """
    status = response.status_code
    if status in well:
        return
    kind = NoSuchJobError if status == 404 else JenkinsError
    why = _WHY.get(status, "it is not known why")
    hint = "`infraci jenkins setup` makes the jobs" if status == 404 else None
    raise kind(f"cannot {what}: {why} ({status} {response.reason})", hint=hint)


def literal(response: requests.Response) -> Any:
    """The data of an ``/api/python``: a Python literal, whereas jenkinsapi reads it as JSON."""
    try:
        return ast.literal_eval(response.text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise JenkinsError("cannot understand Jenkins: its answer is no Python literal") from error
