"""Translates a cloud's errors into infraci's, with their class and whether to retry."""

from __future__ import annotations

import builtins
import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

from infraci.base.json_reader import read_json
from infraci.base.lines import first_line
from infraci.base.shorten import shortened
from infraci.errors import CloudError, CommitError, InfraciError
from infraci.heat.causes import BROKEN, QUOTA, category_of, cause_of

#: The name of the embedded cloud.
LOCAL = "local"

#: So many characters of a reason are kept.
_LONGEST = 4_000

#: The statuses of a cloud that is overloaded or being restarted.
_BUSY = (429, 502, 503, 504)
#: A service that fails on a request, or refuses it as a conflict, will most likely do so again.
_SOON_S = 30.0
#: How long to retry where Keystone refuses a new token.
_RENEWED_S = 3.0
#: Give up sooner on a cloud that has never answered, and on the embedded one: it never restarts.
_ABSENT_S = 10.0


#: Heat's 404 for a stack; its others are about what a template names.
_NO_STACK = re.compile(r"The Stack \(.*\) could not be found")


#: Heat's answer, a 500, to a constraint that asks a service which the cloud does not have.
NO_SERVICE = re.compile(r"No (\w+) service available|endpoint for (\S+) service .*not found")


#: Heat's errors of a template for which its API knows no status, so that it answers with 500.
_TEMPLATE_ERRORS = frozenset({
    "ConflictingMergeStrategyForParam", "EgressRuleNotAllowed", "InvalidExternalResourceDependency",
    "InvalidMergeStrategyForParam", "InvalidRestrictedAction", "InvalidServiceVersion",
    "InvalidTemplateAttribute", "ResourcePropertyDependency", "ResourcePropertyValueDependency",
})  # fmt: skip
#: Python's errors that a value of an unforeseen form raises in Heat, which does not explain them.
_OF_VALUES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RecursionError,
    TypeError, ValueError,
)  # fmt: skip


class TransientCloudError(CloudError):
    """The cloud did not answer, or failed in a way that a retry may pass.

    ``retry_for_s`` is how long retries make sense, ``retry_after_s`` how long the cloud asks to
    wait before the first.
    """

    category = "api"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_for_s: float = math.inf,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_for_s = retry_for_s
        self.retry_after_s = retry_after_s


class RefusedError(CommitError):
    """Heat refuses a template; ``reason`` is Heat's message."""

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(
            message, hint=hint, category=category_of(reason, "template"), reason=reason
        )


class GoneError(CloudError):
    """The cloud has no such resource, or no longer."""

    category = "not found"


class NoServiceError(CloudError):
    """The cloud has no such service."""

    category = "not found"


class ExistsError(CloudError):
    """The cloud has a resource of that name already."""

    category = "api"


def of_answer(start: str, response: Any) -> InfraciError:
    """The error for an answer of status 400 and above; ``start``: "cannot … on cloud …"."""
    reason = reason_of(response)
    status, method = response.status_code, response.request.method if response.request else ""
    category = category_of(reason, "api")
    message = f"{start}: {reason}"
    is_of_stack = method in ("POST", "PUT") and "/stacks" in response.url
    if cause_of(reason) is QUOTA and (status in (403, 409, 413) or is_of_stack):
        return CloudError(message, hint="ask for more, or use less of it", category=category)
    retry_after_s = _retry_after_s(response)
    if is_of_stack and (refusal := _refusal_in(response, reason)):
        return _of_refusal(start, refusal)
    if status == 404:
        return GoneError(message)
    if status == 409 and method == "POST":
        return ExistsError(message)
    if status in _BUSY or (status == 413 and retry_after_s):
        return TransientCloudError(message, retry_after_s=retry_after_s)
    if status in (409, 500):
        return TransientCloudError(message, retry_for_s=_SOON_S)
    if status == 401:
        # keystoneauth has renewed the token and asked again; but where several threads met its
        # expiry at once, it has done so for the first of them only.
        return TransientCloudError(message, retry_for_s=_RENEWED_S)
    hint = "the user lacks a role" if status == 403 else None
    return CloudError(message, hint=hint, category="api")


def _refusal_in(response: Any, reason: str) -> str:
    """Why Heat refuses a template; empty where its answer is not about the template."""
    status = response.status_code
    error_type, is_explained = _error_of(response)
    python_error = getattr(builtins, error_type, None)
    is_of_value = isinstance(python_error, type) and issubclass(python_error, _OF_VALUES)
    if status in (400, 500) and is_of_value and not is_explained:
        return f"Heat itself fails on it ({error_type}) and does not say why"
    if status in (400, 404):  # of which one is about a stack that is gone
        is_of_template = reason != _status_line(response) and not _NO_STACK.search(reason)
        return reason if is_of_template else ""
    return reason if error_type in _TEMPLATE_ERRORS or NO_SERVICE.search(reason) else ""


def _error_of(response: Any) -> tuple[str, bool]:
    """The class of the exception that Heat's answer is made of, and whether it has a message."""
    try:
        body = read_json(response.content)
    except ValueError:
        return "", False
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", False
    return str(error.get("type", "")), bool(error.get("message"))


def _of_refusal(start: str, reason: str) -> InfraciError:
    """The error for a template that Heat refuses, or could not validate."""
    if cause_of(reason) is BROKEN:
        return TransientCloudError(f"{start}: {reason}", retry_for_s=_SOON_S)
    readable = readable_reason(reason)
    return RefusedError(f"{start.partition(' on cloud ')[0]}: {readable}", reason=readable)


def of_library(start: str, error: Exception, *, where: str, cloud: str, known: bool) -> CloudError:
    """The error for one of keystoneauth's: no connection, no login, no such service.

    ``where`` is the address of the Identity service; ``known``, whether the cloud has answered
    before.
    """
    from keystoneauth1 import exceptions as auth

    identity = f"(its Identity service is {where})"
    if isinstance(error, auth.Unauthorized):
        hint = "are user and password (or the application credential) in clouds.yaml right?"
        message = f"{start}: the login was refused {identity}"
        return CloudError(message, hint=hint, category="api")
    if isinstance(error, auth.EndpointNotFound):
        hint = "`openstack catalog list` shows what the cloud has"
        message = f"{start}: it does not offer that service: {error}"
        return NoServiceError(message, hint=hint)
    if isinstance(error, auth.SSLError):
        hint = "is the authority of its certificate known (cacert in clouds.yaml)?"
        return CloudError(f"{start}: {_short(error)} {identity}", hint=hint, category="api")
    if _first(error, auth.ConnectionError):
        return _of_lost_connection(f"{start}: {_short(error)} {identity}", cloud, known)
    http_error = _first(error, auth.HttpError)
    if http_error is not None and (passing := _of_http_error(start, http_error)):
        return passing
    if _first(error, auth.DiscoveryFailure) or _first(error, auth.InvalidResponse):
        return TransientCloudError(
            f"{start}: {_short(error)}",
            hint="is auth_url in clouds.yaml right?",
            retry_for_s=_ABSENT_S,
        )
    return CloudError(f"{start}: {_short(error)}", category="api")


def _of_lost_connection(message: str, cloud: str, known: bool) -> TransientCloudError:
    if cloud == LOCAL:
        hint = "`infraci cloud status` shows whether the embedded cloud is up"
        return TransientCloudError(message, hint=hint, retry_for_s=_ABSENT_S)
    hint = "is the network up, and auth_url in clouds.yaml right?"
    retry_for_s = math.inf if known else _ABSENT_S
    return TransientCloudError(message, hint=hint, retry_for_s=retry_for_s)


def _of_http_error(start: str, error: Any) -> TransientCloudError | None:
    """The error for an answer that a retry may change; None for any other."""
    status, response = error.http_status, error.response
    retry_after_s = _retry_after_s(response) if response is not None else 0.0
    if status not in (*_BUSY, 500) and not (status == 413 and retry_after_s):
        return None
    return TransientCloudError(
        f"{start}: {_short(error)}",
        retry_for_s=_SOON_S if status == 500 else math.inf,
        retry_after_s=retry_after_s,
    )


def of_nonsense(start: str) -> TransientCloudError:
    """The error for an answer that is not JSON, most likely cut short."""
    return TransientCloudError(f"{start}: its answer was cut short", retry_for_s=_SOON_S)


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
    """Heat's validation message without repeated colons and prefixes."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r":(?:\s+:)+", ":", text)
    return re.sub(r"^(?:ERROR: )+", "", text)


def _retry_after_s(response: Any) -> float:
    return _seconds(response.headers.get("Retry-After", ""))


def _seconds(value: object) -> float:
    """A Retry-After in seconds: it is a number of them, or a date (RFC 9110, 10.2.3)."""
    text = str(value).strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _first(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    """The first error of that kind among an error and its causes.

    keystoneauth hides it behind a failed discovery of API versions.
    """
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None


def _short(error: Exception) -> str:
    """The first sentence of a library's message; the rest is its inner life."""
    text = first_line(str(error), type(error).__name__)
    for inner in ("Connection refused", "Name or service not known", "Connection reset by peer",
                  "No route to host", "timed out", "Connection aborted"):  # fmt: skip
        if inner in text:
            return inner[0].lower() + inner[1:]
    return text
