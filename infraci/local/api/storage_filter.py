"""Refuses the requests that need more room than the disk of the state folder has left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from infraci.local.api.web import Document, reply
from infraci.local.host.disk_space import LOW_BYTES, NEEDED_BYTES, DiskSpace

#: Requests by method and path, and the room that each needs.
_NEEDS = (
    (re.compile(r"POST /orchestration/v1/[^/]+/stacks|POST /compute/[^/]+/servers"), NEEDED_BYTES),
    (re.compile(r"(PUT|PATCH) /orchestration/v1/[^/]+/stacks/[^/]+/[^/]+"), NEEDED_BYTES),
    (re.compile(r"POST /volume/v3/[^/]+/(volumes|snapshots)"), NEEDED_BYTES),
    # Among them the question for a console, which would end where the disk was full.
    (re.compile(r"POST /compute/[^/]+/servers/[^/]+/action"), LOW_BYTES),
)

WsgiApp = Callable[..., Iterable[bytes]]


class StorageFilter:
    """Refuses the requests for which there is no room, and hands on all others."""

    def __init__(self, app: WsgiApp, disk_space: DiskSpace) -> None:
        self._app = app
        self._disk_space = disk_space

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].rstrip('/')}"
        for pattern, needed in _NEEDS:
            shortage = self._disk_space.shortage(needed) if pattern.fullmatch(request) else None
            if shortage:
                error = {"code": 507, "title": "Insufficient Storage", "message": shortage}
                return reply({"error": error}, 507)(environ, start_response)
        return self._app(environ, start_response)
