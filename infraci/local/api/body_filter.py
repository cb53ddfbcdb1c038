"""Refuses requests whose bodies are too large, or no JSON of a sane depth, before any API."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from infraci.base.json_reader import read_json
from infraci.local.api.web import Document, reply

#: Heat's own limit is far lower; a template with its files is the largest body there is.
MOST_BYTES = 16 << 20

_CHUNK = 64 << 10

WsgiApp = Callable[..., Iterable[bytes]]


class BodyFilter:
    """Refuses bodies that no API of OpenStack takes, and passes on all other requests."""

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        body = _read(environ)
        if len(body) > MOST_BYTES:
            limit = f"The request's body is larger than {MOST_BYTES >> 20} MiB."
            return _refuse(413, limit)(environ, start_response)
        if body:
            try:
                read_json(body)
            except ValueError as error:
                return _refuse(400, f"The request's body: {error}.")(environ, start_response)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self._app(environ, start_response)


def _read(environ: Document) -> bytes:
    """The body; of one that is too large, one byte more than the limit."""
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    size = MOST_BYTES + 1 if is_chunked else min(length, MOST_BYTES + 1)
    return bytes(environ["wsgi.input"].read(size)) if size > 0 else b""


def discard_body(environ: Document) -> None:
    """Read what is left of a request's body, which the listener would else hold in memory."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return  # the listener reads no further
    with suppress(OSError):
        while environ["wsgi.input"].read(_CHUNK):
            pass


def _refuse(status: int, message: str) -> WsgiApp:
    return reply({"error": {"code": status, "title": "Bad Request", "message": message}}, status)
