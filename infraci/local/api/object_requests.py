"""Reads what requests to the object store say: names, metadata, and what to list.

Source of limits: swift/common/constraints.py
"""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from werkzeug.wrappers import Request

from infraci.local.domain.object_acl import clean_acl
from infraci.local.domain.object_listing import MOST, Query
from infraci.local.domain.object_records import ObjectHeaders
from infraci.local.domain.stored_objects import HISTORY, QUOTA_BYTES, QUOTA_COUNT, STACK
from infraci.local.domain.temporary_urls import TemporaryUrl
from infraci.local.errors import InvalidRequestError, PreconditionError, UnsupportedError

MOST_FILE_BYTES = 5 * 1024**3 + 2
MOST_CONTAINER_NAME, MOST_OBJECT_NAME = 256, 1024
MOST_META_NAME, MOST_META_VALUE, MOST_META_COUNT, MOST_META_SIZE = 128, 256, 90, 4096
_ACLS = ("x-container-read", "x-container-write")
#: What an object keeps of the headers of the request that makes it.
_KEPT = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-robots-tag",
)
_LARGE = ("x-object-manifest", "x-symlink-target")
_CHUNK = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SwiftPath:
    """What a request is for: an account, a container in it, or an object."""

    account: str
    container: str = ""
    name: str = ""

    @property
    def kind(self) -> str:
        """What it is."""
        if self.name:
            return "object"
        return "container" if self.container else "account"


def target_of(request: Request) -> SwiftPath | None:
    """What a request is for, None if it is nothing of a store; by the path as the client wrote it.

    A name may hold what paths have no place for: two slashes in a row, or a slash that is quoted.
    """
    uri = str(request.environ.get("REQUEST_URI") or request.path)
    path = re.sub(r"\A[a-z]+://[^/]*", "", uri.partition("?")[0])
    version, _, rest = _decode(path).removeprefix("/").partition("/")
    account, _, rest = rest.partition("/")
    container, _, name = rest.partition("/")
    if version != "v1" or not account or (name and not container):
        return None
    check_names(container, name)
    return SwiftPath(account=account, container=container, name=name)


def named_target(account: str, text: str) -> SwiftPath:
    """The object that a header names. Raises PreconditionError."""
    container, _, name = _decode(text).removeprefix("/").partition("/")
    if not container or not name:
        raise PreconditionError("The header must be of the form <container name>/<object name>")
    check_names(container, name)
    return SwiftPath(account=account, container=container, name=name)


def _decode(text: str) -> str:
    try:
        path = unquote_to_bytes(text.encode("latin-1")).decode()
    except ValueError:
        path = "\0"
    if "\0" in path:
        raise PreconditionError("Invalid UTF8 or contains NULL")
    return path


def check_names(container: str, name: str) -> None:
    """Raise InvalidRequestError for a name that is too long."""
    for text, most, noun in (
        (container, MOST_CONTAINER_NAME, "Container"),
        (name, MOST_OBJECT_NAME, "Object"),
    ):
        if (length := len(text.encode())) > most:
            raise InvalidRequestError(f"{noun} name length of {length} longer than {most}")


def temporary_url(request: Request) -> TemporaryUrl | None:
    """What a request shows instead of a token, if it does."""
    signature, expires = request.args.get("temp_url_sig"), request.args.get("temp_url_expires")
    if signature is None and expires is None:
        return None
    prefix = request.args.get("temp_url_prefix")
    return TemporaryUrl(signature=signature or "", expires=expires or "", prefix=prefix)


def query_of(request: Request) -> Query:
    """Which names a request asks for. Raises PreconditionError."""
    arguments = request.args
    limit = arguments.get("limit", "")
    if limit.isascii() and limit.isdigit() and int(limit[:9]) > MOST:
        raise PreconditionError(f"Maximum limit is {MOST}")
    return Query(
        prefix=arguments.get("prefix", ""),
        delimiter=arguments.get("delimiter", ""),
        marker=arguments.get("marker", ""),
        end_marker=arguments.get("end_marker", ""),
        limit=int(limit) if limit.isascii() and limit.isdigit() else MOST,
        is_reverse=arguments.get("reverse", "").lower() in ("true", "1", "yes", "on", "t", "y"),
        path=arguments.get("path"),
    )


def changes_of(request: Request, kind: str) -> dict[str, str]:
    """How a request changes the headers of an account or a container; empty is removed."""
    prefix = f"x-{kind}-meta-"
    names = (*_ACLS, STACK, HISTORY) if kind == "container" else ()
    changes: dict[str, str] = {}
    for name, value in _headers(request).items():
        removed = f"x-{name.removeprefix('x-remove-')}" if name.startswith("x-remove-") else ""
        if removed.startswith(prefix) or removed in names:
            changes.setdefault(removed, "")
        elif name in _ACLS and name in names:
            changes[name] = clean_acl(name, value)
        elif name.startswith(prefix) or name in names:
            changes[name] = value.strip("/") if name in (STACK, HISTORY) else value
    for name, noun in ((QUOTA_BYTES, "bytes"), (QUOTA_COUNT, "count")):
        if not re.fullmatch("[0-9]{0,18}", changes.get(name, "")):
            raise InvalidRequestError(f"Invalid {noun} quota.")
    if changes.get(STACK) and changes.get(HISTORY):
        raise InvalidRequestError(f"Only one of {STACK} or {HISTORY} may be specified")
    _check_metadata(changes, prefix)
    return changes


def described_by(request: Request, name: str = "") -> ObjectHeaders:
    """What a request says of an object; with a name it is a new one, whose type is guessed."""
    headers = _headers(request)
    if any(each in headers for each in _LARGE) or request.args.get("multipart-manifest"):
        raise UnsupportedError("The embedded cloud has no large objects and no symbolic links.")
    kept = {
        key: value
        for key, value in headers.items()
        if value and (key in _KEPT or key.startswith("x-object-meta-"))
    }
    _check_metadata(kept, "x-object-meta-")
    content_type = headers.get("content-type", "")
    if name and not content_type:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return ObjectHeaders(headers=kept, content_type=content_type, delete_at=_delete_at(headers))


def _delete_at(headers: Mapping[str, str]) -> int:
    after, at = headers.get("x-delete-after"), headers.get("x-delete-at")
    for name, value in (("X-Delete-After", after), ("X-Delete-At", at)):
        if value is not None and not re.fullmatch(r"[0-9]{1,12}", value):
            raise InvalidRequestError(f"Non-integer {name}")
    now = int(time.time())
    if after is not None:
        return now + int(after)
    if at is not None and int(at) <= now:
        raise InvalidRequestError("X-Delete-At in past")
    return int(at or 0)


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _check_metadata(headers: Mapping[str, str], prefix: str) -> None:
    metadata = {n.removeprefix(prefix): v for n, v in headers.items() if n.startswith(prefix)}
    for name, value in metadata.items():
        if not name:
            raise InvalidRequestError("Metadata name cannot be empty")
        if len(name) > MOST_META_NAME:
            raise InvalidRequestError(f"Metadata name too long: {prefix}{name}")
        if len(value) > MOST_META_VALUE:
            raise InvalidRequestError(
                f"Metadata value longer than {MOST_META_VALUE}: {prefix}{name}"
            )
    if len(metadata) > MOST_META_COUNT:
        raise InvalidRequestError(f"Too many metadata items; max {MOST_META_COUNT}")
    if sum(len(name) + len(value) for name, value in metadata.items()) > MOST_META_SIZE:
        raise InvalidRequestError(f"Total metadata too large; max {MOST_META_SIZE}")


def chunks_of(request: Request) -> Iterator[bytes]:
    """The content that a request brings. Raises InvalidRequestError if it ends too soon."""
    while True:
        try:
            chunk = request.stream.read(_CHUNK)
        except (OSError, ValueError):
            raise InvalidRequestError("The content is not whole.") from None
        if not chunk:
            return
        yield chunk
