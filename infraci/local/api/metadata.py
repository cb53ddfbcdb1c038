"""The metadata service, as Nova's: tells each server about itself, in OpenStack's form and EC2's.

The server that asks is known by the address from which it asks, which no other can have.

Source: nova/api/metadata/handler.py
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Request, Response

from infraci.local.api.web import Document
from infraci.local.domain.instance_metadata import (
    EC2_VERSIONS,
    LATEST,
    OPENSTACK_VERSIONS,
    InstanceMetadata,
)

#: The password that a server's agent has set for its administrator: none here.
_PASSWORD = "password"  # noqa: S105
_JSON = ("meta_data.json", "vendor_data.json", "vendor_data2.json")


class MetadataApi:
    """Answers a server with what ``metadata_at`` gives for its access address."""

    def __init__(self, metadata_at: Callable[[str], InstanceMetadata | None]) -> None:
        self._metadata_at = metadata_at

    def __call__(self, environ: Document, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        request = Request(environ)
        try:
            answer = self._answer(request)
        except HTTPException as refusal:
            return refusal(environ, start_response)
        return answer(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(["GET", "HEAD"])
        metadata = self._metadata_at(request.remote_addr or "")
        if metadata is None:
            raise NotFound
        words = posixpath.normpath(f"/{request.path}").strip("/").split("/")
        try:
            if words[0] == "openstack":
                value = _in_openstack(metadata, words[1:])
            else:
                value = _in_ec2(metadata, words[1:] if words[0] == "ec2" else words)
        except KeyError:
            raise NotFound from None
        kind = "application/json" if words[-1] in _JSON else "text/plain; charset=UTF-8"
        return Response(_printed(value), content_type=kind)


def _in_openstack(metadata: InstanceMetadata, words: list[str]) -> object:
    if not words:
        return [*OPENSTACK_VERSIONS, LATEST]
    version, *path = words
    files: dict[str, object] = dict(metadata.openstack_files(version))
    if version != OPENSTACK_VERSIONS[0]:
        files[_PASSWORD] = ""
    return files["/".join(path)] if path else list(files)


def _in_ec2(metadata: InstanceMetadata, words: list[str]) -> object:
    if words in ([], [""]):
        return [*EC2_VERSIONS, LATEST]
    version, *path = words
    value: object = metadata.ec2_tree(version)
    for word in path:
        if not isinstance(value, dict):
            raise KeyError(word)
        value = value[word]
    return value


def _printed(value: object) -> bytes:
    """What EC2 prints of a value: a folder's names, each on a line, and subfolders with ``/``."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list):
        return "\n".join(map(str, value)).encode()
    if isinstance(value, Mapping):
        return "\n".join(
            _entry(name, value[name]) for name in sorted(value) if name != "_name"
        ).encode()
    return str(value).encode()


def _entry(name: str, value: object) -> str:
    if not isinstance(value, Mapping):
        return name
    return str(value.get("_name", f"{name}/"))
