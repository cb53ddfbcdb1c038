"""A cloud's errors in our words: which of them pass, and what class they are of."""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from infraci.base.json_reader import read_json
from infraci.base.shorten import shortened
from infraci.errors import CloudError, CommitError, InfraciError
from infraci.heat.causes import BROKEN, QUOTA, category_of, cause_of

#: The name of the embedded cloud.
LOCAL = "local"

#: So many characters of a reason are kept.
_LONGEST = 4_000

#: What a cloud says when it is overloaded or being restarted.
_BUSY = (429, 502, 503, 504)
#: A service that broke on a request will most likely break on it again, and so for conflicts.
_SOON_S = 30.0
#: So long a new token may be refused before it is plain that each will be.
_RENEWED_S = 3.0
#: Whoever never answered may not be there at all; nor does anybody restart the embedded cloud.
_ABSENT_S = 10.0


#: Heat's 404 for a stack; its others are about what a template names.
_NO_STACK = re.compile(r"The Stack \(.*\) could not be found")


#: Heat's answer, a 500, to a constraint that asks a service which the cloud does not have.
NO_SERVICE = re.compile(r"No (\w+) service available|endpoint for (\S+) service .*not found")


class TransientCloudError(CloudError):
    """The cloud did not answer, or was not able to; asking again may help.

    ``patience_s`` is for how long that is likely, ``retry_after_s`` how long the cloud wants to
    be left alone.
    """

    category = "api"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        patience_s: float = math.inf,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message, hint=hint)
        self.patience_s = patience_s
        self.retry_after_s = retry_after_s


class RefusedError(CommitError):
    """Heat refuses a template that it can read; the message is Heat's."""

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, category=category_of(reason, "template"))
        self.reason = reason


class GoneError(CloudError):
    """There is no such thing on the cloud (any more)."""

    category = "not found"


class NoServiceError(CloudError):
    """The cloud has no such service."""

    category = "not found"


class ExistsError(CloudError):
    """There is such a thing already."""

    category = "api"


def of_answer(start: str, response: Any) -> InfraciError:
    """The error that an answer of 400 and above tells of; ``start``: "cannot … on cloud …"."""
    said = reason_of(response)
    status, method = response.status_code, response.request.method if response.request else ""
    category = category_of(said, "api")
    message = f"{start}: {said}"
    is_of_stack = method in ("POST", "PUT") and "/stacks" in response.url
    if cause_of(said) is QUOTA and (status in (403, 409, 413) or is_of_stack):
        return CloudError(message, hint="ask for more, or use less of it", category=category)
    retry_after_s = _retry_after_s(response)
    if is_of_stack and (
        (status in (400, 404) and _is_of_template(said, response)) or NO_SERVICE.search(said)
    ):
        return _of_refusal(start, said)
    if status == 404:
        return GoneError(message)
    if status == 409 and method == "POST":
        return ExistsError(message)
    if status in _BUSY or (status == 413 and retry_after_s):
        return TransientCloudError(message, retry_after_s=retry_after_s)
    if status in (409, 500):
        return TransientCloudError(message, patience_s=_SOON_S)
    if status == 401:
        # keystoneauth has renewed the token and asked again; but where several threads met its
        # expiry at once, it has done so for the first of them only.
        return TransientCloudError(message, patience_s=_RENEWED_S)
    hint = "the user lacks a role" if status == 403 else None
    return CloudError(message, hint=hint, category="api")


def _is_of_template(said: str, response: Any) -> bool:
    """Whether Heat itself has answered, and of the template: not of a stack that is gone."""
    return said != _status_line(response) and not _NO_STACK.search(said)


def _of_refusal(start: str, said: str) -> InfraciError:
    """What Heat says of a template; it may also be that it could not judge it."""
    if cause_of(said) is BROKEN:
        return TransientCloudError(f"{start}: {said}", patience_s=_SOON_S)
    readable = readable_reason(said)
    return RefusedError(f"{start.partition(' on cloud ')[0]}: {readable}", reason=readable)


def of_library(start: str, error: Exception, *, where: str, cloud: str, known: bool) -> CloudError:
    """The error that keystoneauth's tells of: no connection, no login, no such service.

    ``where`` is the address of the Identity service; ``known`` whether the cloud ever answered.
    """
    from keystoneauth1 import exceptions as auth

    place = f"its Identity service is {where}"
    hint = "is auth_url in clouds.yaml right?"
    if isinstance(error, auth.Unauthorized):
        hint = "are user and password (or the application credential) in clouds.yaml right?"
        message = f"{start}: the login was refused ({place})"
        return CloudError(message, hint=hint, category="api")
    if isinstance(error, auth.EndpointNotFound):
        hint = "`openstack catalog list` shows what the cloud has"
        message = f"{start}: it does not offer that service: {error}"
        return NoServiceError(message, hint=hint)
    if isinstance(error, auth.SSLError):
        hint = "is the authority of its certificate known (cacert in clouds.yaml)?"
        return CloudError(f"{start}: {_short(error)} ({place})", hint=hint, category="api")
    if _first(error, auth.ConnectionError):
        if cloud == LOCAL:
            hint = "`infraci cloud status` shows whether the embedded cloud is up"
        else:
            hint = "is the network up, and auth_url in clouds.yaml right?"
        return TransientCloudError(
            f"{start}: {_short(error)} ({place})",
            hint=hint,
            patience_s=math.inf if known and cloud != LOCAL else _ABSENT_S,
        )
    answered = _first(error, auth.HttpError)
    status = getattr(answered, "http_status", 0)
    response = getattr(answered, "response", None)
    retry_after_s = _retry_after_s(response) if response is not None else 0.0
    if status in (*_BUSY, 500) or (status == 413 and retry_after_s):
        return TransientCloudError(
            f"{start}: {_short(answered or error)}",
            patience_s=_SOON_S if status == 500 else math.inf,
            retry_after_s=retry_after_s,
        )
    if _first(error, auth.DiscoveryFailure) or _first(error, auth.InvalidResponse):
        return TransientCloudError(f"{start}: {_short(error)}", hint=hint, patience_s=_ABSENT_S)
    return CloudError(f"{start}: {_short(error)}", category="api")


def of_nonsense(start: str) -> TransientCloudError:
    """The error for an answer that is no JSON: a part of one, most likely."""
    return TransientCloudError(f"{start}: its answer was cut short", patience_s=_SOON_S)


def reason_of(response: Any) -> str:
    """What the answer of a service says went wrong, without its wrapping.

    Services repeat names and values of any length: a long reason is its beginning and its end.
    """
    return shortened(_whole_reason(response), _LONGEST)


def _whole_reason(response: Any) -> str:
    try:
        body = read_json(response.content)
    except ValueError:
        return _status_line(response)
    if isinstance(body, dict):
        # Heat: {"error": {"message"}}; Nova: {"badRequest": {"message"}}; Neutron: NeutronError
        for value in (body.get("error"), *body.values()):
            if isinstance(value, dict) and isinstance(value.get("message"), str):
                return str(value["message"]).strip()
        if isinstance(body.get("explanation"), str):
            return str(body["explanation"])
    return _status_line(response)


def _status_line(response: Any) -> str:
    return f"{response.status_code} {response.reason}"


def readable_reason(text: str) -> str:
    """Heat's validation message without its stuttering colons and inner quotation."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r":(?:\s+:)+", ":", text)
    return re.sub(r"^(?:ERROR: )+", "", text)


def _retry_after_s(response: Any) -> float:
    return _seconds(response.headers.get("Retry-After", ""))


def _seconds(said: object) -> float:
    """A Retry-After in seconds: it is a number of them, or a date (RFC 9110, 10.2.3)."""
    text = str(said).strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _first(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    """The error of that kind that is behind one: a failed look for API versions hides it."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None


def _short(error: Exception) -> str:
    """The first sentence of a library's message; the rest is its inner life."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    for inner in ("Connection refused", "Name or service not known", "Connection reset by peer",
                  "No route to host", "timed out", "Connection aborted"):  # fmt: skip
        if inner in text:
            return inner[0].lower() + inner[1:]
    return text
