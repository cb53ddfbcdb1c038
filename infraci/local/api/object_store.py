"""Object Store v1 (Swift): the account's containers and objects, and temporary URLs.

Source: https://docs.openstack.org/api-ref/object-store/
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from werkzeug.exceptions import HTTPException, LengthRequired, PreconditionFailed
from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import FileWrapper

from infraci.errors import InfraciError
from infraci.local.account import TokenHolder
from infraci.local.api import object_requests as requests
from infraci.local.api.body_filter import discard_body
from infraci.local.api.object_requests import SwiftPath
from infraci.local.api.web import STATUSES, Document, UnauthenticatedError, reply
from infraci.local.domain.object_acl import allows_referrer, allows_user, owns_account
from infraci.local.domain.object_listing import Folder, Query, listed
from infraci.local.domain.object_records import ObjectHeaders, StoredObject
from infraci.local.domain.stored_objects import ACCOUNT_NAME, Objects
from infraci.local.domain.temporary_urls import METHODS, known_digests
from infraci.local.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    RequestError,
    TooLargeError,
)

LOG = logging.getLogger(__name__)

_KEYS = ("temp-url-key", "temp-url-key-2")
#: Headers that only the owner of the account sees.
_OWN = ("x-container-read", "x-container-write", *(f"x-container-meta-{key}" for key in _KEYS))
#: What Swift says of a status.
_REASONS = {
    401: "This server could not verify that you are authorized to access the document you "
    "requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    409: "There was a conflict when trying to complete your request.",
    411: "Content-Length header required.",
    416: "The Range requested is not available.",
    422: "Unable to process the contained instructions",
}
_READ, _WRITE = ("GET", "HEAD"), ("PUT", "POST", "DELETE", "COPY")


class ObjectStoreApi:
    """A WSGI application: paths of objects are names, which no routes could tell apart."""

    def __init__(
        self, objects: Objects, holder_of: Callable[[str | None], TokenHolder | None]
    ) -> None:
        self._objects = objects
        self._holder_of = holder_of

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        response = self._answer(request)
        transaction = f"tx{uuid4().hex}"
        response.headers["X-Trans-Id"] = transaction
        response.headers["X-Openstack-Request-Id"] = transaction
        discard_body(environ)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            if request.environ.get("SCRIPT_NAME") == "/info":
                return reply(_capabilities())
            target = requests.target_of(request)
            if target is None:
                raise NotFoundError("There is no such path.")
            handler = _HANDLERS.get((target.kind, request.method))
            is_owner = self._authorize(request, target)
            if handler is None:
                return _refusal(405)
            response = handler(self, request, target)
            return response if is_owner else _without_secrets(response)
        except RequestError as error:
            return _refusal(STATUSES[type(error)], error.message)
        except InfraciError as error:
            return _refusal(409, error.message)
        except HTTPException as error:
            return _refusal(error.code or 500, str(error.description))
        except Exception:
            LOG.exception("cannot answer %s of an object", request.method)
            return _refusal(500, "The embedded cloud has a bug; see its log.")

    # Who may

    def _authorize(self, request: Request, target: SwiftPath) -> bool:
        """Raise an error unless a request is allowed; returns whether the account's owner asks."""
        url = requests.temporary_url(request)
        if url is not None:
            keys = self._keys(target)
            name = (target.container, target.name)
            is_copy = "X-Copy-From" in request.headers  # would read any object
            if (
                target.kind != "object"
                or is_copy
                or not url.allows(
                    request.method, target.account, name, keys=keys, now=self._objects.now()
                )
            ):
                raise UnauthenticatedError
            return False
        token = request.headers.get("X-Auth-Token") or request.headers.get("X-Storage-Token")
        holder = self._holder_of(token)
        if target.account == ACCOUNT_NAME:
            if owns_account(holder):
                return True
            if self._is_allowed(request, target, holder):
                return False
        raise UnauthenticatedError if holder is None else ForbiddenError("It is not yours.")

    def _is_allowed(self, request: Request, target: SwiftPath, holder: TokenHolder | None) -> bool:
        """Whether the container's lists let a user, or anyone, do this."""
        if target.kind == "account":
            return False
        copied = request.headers.get("X-Copy-From")
        if request.method == "COPY" or copied:
            return False  # of two containers; the owner may
        try:
            headers = self._objects.container(target.container).headers
        except NotFoundError:
            return False
        is_read = request.method in _READ
        acl = headers.get("x-container-read" if is_read else "x-container-write", "")
        is_of_container = target.kind == "container"
        if is_read and allows_referrer(
            acl, request.headers.get("Referer", ""), listing=is_of_container
        ):
            return True
        return (is_read or not is_of_container) and allows_user(acl, holder)

    def _keys(self, target: SwiftPath) -> list[str]:
        if target.account != ACCOUNT_NAME:
            return []
        of_account = self._objects.account().headers
        keys = [of_account.get(f"x-account-meta-{key}", "") for key in _KEYS]
        try:
            of_container = self._objects.container(target.container).headers
        except NotFoundError:
            of_container = {}
        keys += [of_container.get(f"x-container-meta-{key}", "") for key in _KEYS]
        return [key for key in keys if key]

    # The account

    def show_account(self, request: Request, target: SwiftPath) -> Response:
        """The account's metadata, and its containers if they are asked for."""
        account = self._objects.account()
        containers = {each.id: each for each in self._objects.containers()}
        usage = {name: self._objects.usage(name) for name in containers}
        headers = {
            "X-Account-Container-Count": str(len(containers)),
            "X-Account-Object-Count": str(sum(count for count, _ in usage.values())),
            "X-Account-Bytes-Used": str(sum(size for _, size in usage.values())),
            "X-Timestamp": f"{account.created_at:.5f}",
            **account.headers,
        }
        if request.method == "HEAD":
            return Response(status=204, headers=headers)

        def describe(name: str) -> Document:
            count, size = usage[name]
            made_at = _iso(containers[name].created_at)
            return {"name": name, "count": count, "bytes": size, "last_modified": made_at}

        return _listing(request, list(containers), describe, headers)

    def change_account(self, request: Request, target: SwiftPath) -> Response:
        """Change the account's metadata."""
        self._objects.change_account(requests.changes_of(request, "account"))
        return Response(status=204)

    # Containers

    def show_container(self, request: Request, target: SwiftPath) -> Response:
        """A container's metadata, and its objects if they are asked for."""
        container = self._objects.container(target.container)
        objects = {each.name: each for each in self._objects.objects(container.id)}
        headers = {
            "X-Container-Object-Count": str(len(objects)),
            "X-Container-Bytes-Used": str(sum(each.size for each in objects.values())),
            "X-Timestamp": f"{container.created_at:.5f}",
            "Last-Modified": http_date(math.ceil(container.created_at)),
            "X-Storage-Policy": "Policy-0",
            "Accept-Ranges": "bytes",
            **container.headers,
        }
        if request.method == "HEAD":
            return Response(status=204, headers=headers)
        return _listing(request, list(objects), lambda n: _described(objects[n]), headers)

    def put_container(self, request: Request, target: SwiftPath) -> Response:
        """Make a container, or change it."""
        changes = requests.changes_of(request, "container")
        is_new = self._objects.put_container(target.container, changes)
        return Response(status=201 if is_new else 202)

    def change_container(self, request: Request, target: SwiftPath) -> Response:
        """Change a container's metadata."""
        changes = requests.changes_of(request, "container")
        self._objects.change_container(target.container, changes)
        return Response(status=204)

    def delete_container(self, request: Request, target: SwiftPath) -> Response:
        """Remove a container."""
        self._objects.delete_container(target.container)
        return Response(status=204)

    # Objects

    def show_object(self, request: Request, target: SwiftPath) -> Response:
        """An object: its headers, and its content or a part of it if it is asked for."""
        self._objects.container(target.container)
        stored, file = self._objects.open(target.container, target.name)
        response = Response(
            FileWrapper(file, 64 << 10), headers=_headers_of(stored), direct_passthrough=True
        )
        response.call_on_close(file.close)
        try:
            status = _precondition(request, stored)
            if status:
                response.close()
                return Response(status=status, headers={"Etag": stored.md5})
            if requests.temporary_url(request) is not None:
                _present(request, target, response)
            return response.make_conditional(
                _range_of(request), accept_ranges=True, complete_length=stored.size
            )
        except BaseException:
            response.close()
            raise

    def put_object(self, request: Request, target: SwiftPath) -> Response:
        """Make an object of the request's content, or of another object's."""
        self._check_absence(request, target)
        if source := request.headers.get("X-Copy-From"):
            if request.content_length:
                raise InvalidRequestError("Copy requests require a zero byte body")
            return self._copy(request, requests.named_target(target.account, source), target)
        size = request.content_length
        if size is None and not request.environ.get("wsgi.input_terminated"):
            raise LengthRequired
        if size is not None and size > requests.MOST_FILE_BYTES:
            raise TooLargeError("Your request is too large.")
        stored = self._objects.put(
            target.container,
            target.name,
            requests.chunks_of(request),
            requests.described_by(request, target.name),
            md5=request.headers.get("Etag", "").strip('"').lower(),
            size=size,
        )
        return _made(stored)

    def copy_object(self, request: Request, target: SwiftPath) -> Response:
        """Make another object of an object's content."""
        destination = request.headers.get("Destination")
        if destination is None:
            raise PreconditionError("Destination header required")
        return self._copy(request, target, requests.named_target(target.account, destination))

    def _copy(self, request: Request, source: SwiftPath, target: SwiftPath) -> Response:
        stored = self._objects.object(source.container, source.name)
        described = requests.described_by(request)
        is_fresh = request.headers.get("X-Fresh-Metadata", "").lower() in ("true", "1", "yes", "on")
        described = ObjectHeaders(
            headers={**({} if is_fresh else stored.headers), **described.headers},
            content_type=described.content_type or stored.content_type,
            delete_at=described.delete_at or (0 if is_fresh else stored.delete_at),
        )
        copied = self._objects.copy(stored, target.container, target.name, described)
        response = _made(copied)
        response.headers["X-Copied-From"] = quote(f"{source.container}/{source.name}")
        response.headers["X-Copied-From-Last-Modified"] = http_date(math.ceil(stored.modified_at))
        return response

    def change_object(self, request: Request, target: SwiftPath) -> Response:
        """Change what is said of an object."""
        described = requests.described_by(request)
        self._objects.describe(target.container, target.name, described)
        return Response(status=202)

    def delete_object(self, request: Request, target: SwiftPath) -> Response:
        """Remove an object."""
        self._objects.delete(target.container, target.name)
        return Response(status=204)

    def _check_absence(self, request: Request, target: SwiftPath) -> None:
        """Raise an error if there is an object, and the request wants to make the first."""
        header = request.headers.get("If-None-Match")
        if header is None:
            return
        if header.strip() != "*":
            raise InvalidRequestError("If-None-Match only supports *")
        try:
            self._objects.object(target.container, target.name)
        except NotFoundError:
            return
        raise PreconditionFailed


_HANDLERS: Mapping[tuple[str, str], Callable[[ObjectStoreApi, Request, SwiftPath], Response]] = {
    ("account", "GET"): ObjectStoreApi.show_account,
    ("account", "HEAD"): ObjectStoreApi.show_account,
    ("account", "POST"): ObjectStoreApi.change_account,
    ("container", "GET"): ObjectStoreApi.show_container,
    ("container", "HEAD"): ObjectStoreApi.show_container,
    ("container", "PUT"): ObjectStoreApi.put_container,
    ("container", "POST"): ObjectStoreApi.change_container,
    ("container", "DELETE"): ObjectStoreApi.delete_container,
    ("object", "GET"): ObjectStoreApi.show_object,
    ("object", "HEAD"): ObjectStoreApi.show_object,
    ("object", "PUT"): ObjectStoreApi.put_object,
    ("object", "POST"): ObjectStoreApi.change_object,
    ("object", "DELETE"): ObjectStoreApi.delete_object,
    ("object", "COPY"): ObjectStoreApi.copy_object,
}


def _listing(
    request: Request,
    names: list[str],
    describe: Callable[[str], Document],
    headers: Mapping[str, str],
) -> Response:
    """A list of names, as JSON or as lines."""
    query = requests.query_of(request)
    entries = listed(names, query)
    form = request.args.get("format", "")
    if form == "json" or (not form and request.accept_mimetypes.best == "application/json"):
        shown = [
            {"subdir": each.name} if isinstance(each, Folder) else describe(each)
            for each in entries
        ]
        return Response(
            json.dumps(shown), headers=dict(headers), content_type="application/json; charset=utf-8"
        )
    if form not in ("", "plain"):
        return _refusal(406, "The embedded cloud lists as JSON and as lines.")
    lines = [each.name if isinstance(each, Folder) else each for each in entries]
    text = "".join(f"{line}\n" for line in lines)
    status = 200 if lines else 204
    return Response(
        text, status=status, headers=dict(headers), content_type="text/plain; charset=utf-8"
    )


def _described(stored: StoredObject) -> Document:
    return {
        "name": stored.name,
        "bytes": stored.size,
        "hash": stored.md5,
        "content_type": stored.content_type,
        "last_modified": _iso(stored.modified_at),
    }


def _headers_of(stored: StoredObject) -> dict[str, str]:
    headers = {
        "Content-Type": stored.content_type,
        "Content-Length": str(stored.size),
        "Etag": stored.md5,
        "Last-Modified": http_date(math.ceil(stored.modified_at)),
        "X-Timestamp": f"{stored.modified_at:.5f}",
        **stored.headers,
    }
    return {**headers, "X-Delete-At": str(stored.delete_at)} if stored.delete_at else headers


def _precondition(request: Request, stored: StoredObject) -> int:
    """The status by which the client's conditions end a request; 0 if they hold."""
    modified_at = datetime.fromtimestamp(math.ceil(stored.modified_at), UTC)
    if request.if_match and not request.if_match.contains(stored.md5):
        return 412
    if request.if_unmodified_since and modified_at > request.if_unmodified_since:
        return 412
    if request.if_none_match:
        return 304 if request.if_none_match.contains(stored.md5) else 0
    if request.if_modified_since and modified_at <= request.if_modified_since:
        return 304
    return 0


def _range_of(request: Request) -> Document:
    """What of a request says which part of a content to give; several parts are none."""
    names = ("REQUEST_METHOD", "HTTP_RANGE", "HTTP_IF_RANGE")
    environ = {name: request.environ[name] for name in names if name in request.environ}
    if "," in environ.get("HTTP_RANGE", ""):
        del environ["HTTP_RANGE"]
    return environ


def _present(request: Request, target: SwiftPath, response: Response) -> None:
    """Show what a temporary URL gives: without metadata, as a file that browsers save."""
    for name in [name for name, _ in response.headers if _is_private(name.lower())]:
        del response.headers[name]
    if "inline" in request.args:
        response.headers["Content-Disposition"] = "inline"
    else:
        name = quote(request.args.get("filename") or target.name.rstrip("/").rpartition("/")[2])
        disposition = f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
        response.headers["Content-Disposition"] = disposition


def _is_private(header: str) -> bool:
    return header.startswith("x-object-meta-") and not header.startswith("x-object-meta-public-")


def _without_secrets(response: Response) -> Response:
    for name in _OWN:
        response.headers.pop(name, None)
    return response


def _made(stored: StoredObject) -> Response:
    headers = {
        "Etag": stored.md5,
        "Last-Modified": http_date(math.ceil(stored.modified_at)),
    }
    return Response(status=201, headers=headers)


def _refusal(status: int, message: str = "") -> Response:
    response = Response(status=status)
    if status in _REASONS:
        title = response.status.partition(" ")[2].title()
        response.set_data(f"<html><h1>{title}</h1><p>{_REASONS[status]}</p></html>")
        response.content_type = "text/html; charset=UTF-8"
    else:
        response.set_data(message)
        response.content_type = "text/plain"
    if status == 401:
        response.headers["Www-Authenticate"] = f'Swift realm="{ACCOUNT_NAME}"'
    return response


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _capabilities() -> Document:
    return {
        "swift": {
            "account_listing_limit": Query().limit,
            "container_listing_limit": Query().limit,
            "max_container_name_length": requests.MOST_CONTAINER_NAME,
            "max_object_name_length": requests.MOST_OBJECT_NAME,
            "max_file_size": requests.MOST_FILE_BYTES,
            "max_meta_count": requests.MOST_META_COUNT,
            "max_meta_name_length": requests.MOST_META_NAME,
            "max_meta_overall_size": requests.MOST_META_SIZE,
            "max_meta_value_length": requests.MOST_META_VALUE,
            "policies": [{"name": "Policy-0", "aliases": "Policy-0", "default": True}],
        },
        "container_quotas": {},
        # openstacksdk uploads no file without it; a manifest of no segments is none.
        "slo": {"min_segment_size": 1, "max_manifest_segments": 0},
        "tempurl": {"methods": list(METHODS), "allowed_digests": list(known_digests())},
        "versioned_writes": {"allowed_flags": ["x-versions-location", "x-history-location"]},
    }
