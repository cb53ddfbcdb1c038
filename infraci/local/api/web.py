"""The base of all the APIs: routes, JSON in and out, errors, and tokens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from infraci.base.json_reader import read_json
from infraci.errors import InfraciError
from infraci.local.api.field_types import type_errors
from infraci.local.errors import (
    BadContentError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NoRoomError,
    NotFoundError,
    PreconditionError,
    RequestError,
    TooLargeError,
    UnsupportedError,
)

LOG = logging.getLogger(__name__)

Document = dict[str, Any]  # a JSON object


class UnauthenticatedError(RequestError):
    """The request shows no valid token."""

    def __init__(self) -> None:
        super().__init__("The request you have made requires authentication.")


#: The HTTP status of each error.
STATUSES: Mapping[type[RequestError], int] = {
    InvalidRequestError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    PreconditionError: 412,
    TooLargeError: 413,
    BadContentError: 422,
    UnsupportedError: 501,
    NoRoomError: 507,
}

Handler = TypeVar("Handler", bound=Callable[..., "Document | Response | None"])


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Mark a method as the answer to ``method path``; it gets the request and the path's parts."""

    def mark(handler: Handler) -> Handler:
        handler.__dict__["route"] = (method, path)
        return handler

    return mark


def body_of(request: Request, key: str) -> Document:
    """The object under ``key`` in the request's JSON body."""
    try:
        value = read_json(request.get_data())[key]
    except (ValueError, KeyError, TypeError):
        raise InvalidRequestError(f"The request's body lacks a JSON object {key!r}.") from None
    return check_object(value, key)


def check_object(value: object, key: str) -> Document:
    """Refuse what is no object, or has fields of a wrong kind."""
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{key!r} in the request's body is not an object.")
    for type_error in type_errors(value, key):
        raise InvalidRequestError(type_error)
    return value


def fields_of(request: Request) -> Document:
    """The object that is the request's JSON body; empty without a body."""
    value = request.get_json(silent=True)
    if value is not None and not isinstance(value, dict):
        raise InvalidRequestError("The request's body is not a JSON object.")
    return value or {}


class Api:
    """A WSGI application made of the methods that :func:`route` marks."""

    #: The name under which an error is shown; None is Neutron's form.
    error_key: ClassVar[str | None] = None

    def __init__(self, is_valid_token: Callable[[str | None], bool]) -> None:
        self._is_valid_token = is_valid_token
        self._routes = Map(
            [self._rule(name) for name in dir(type(self)) if self._is_route(name)],
            strict_slashes=False,
        )

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def may_ask(self, request: Request) -> bool:
        """Whether the request shows a valid token, or needs none."""
        return request.path == "/" or self._is_valid_token(request.headers.get("X-Auth-Token"))

    def _is_route(self, name: str) -> bool:
        return hasattr(getattr(type(self), name, None), "route")

    def _rule(self, name: str) -> Rule:
        method, path = getattr(type(self), name).route
        return Rule(path, endpoint=name, methods=[method])

    def _answer(self, request: Request) -> Response:
        try:
            if not self.may_ask(request):
                raise UnauthenticatedError
            name, parts = self._routes.bind_to_environ(request.environ).match()
            answer = getattr(self, name)(request, **parts)
        except RequestError as error:
            return self._refusal(STATUSES[type(error)], error.message, error.neutron_type)
        except InfraciError as error:
            return self._refusal(409, error.message)
        except HTTPException as error:
            return self._refusal(error.code or 500, f"{error.name}: {request.path}")
        except Exception:
            LOG.exception("cannot answer %s %s", request.method, request.path)
            return self._refusal(500, "The embedded cloud has a bug; see its log.")
        if isinstance(answer, Response):
            return answer
        return Response(status=204) if answer is None else reply(answer)

    def _refusal(self, status: int, message: str, neutron_type: str = "") -> Response:
        if self.error_key is None:
            error = {"type": neutron_type or "HTTPError", "message": message, "detail": ""}
            return reply({"NeutronError": error}, status)
        key = "error" if status == 401 else self.error_key
        return reply({key: {"code": status, "message": message}}, status)


def reply(document: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(json.dumps(document), status=status, content_type="application/json")
