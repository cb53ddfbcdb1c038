"""The embedded cloud's images, made before Heat asks for them, so that nobody waits in the dark."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import cache
from threading import Thread
from typing import Any

from infraci.errors import CloudError, InfraciError
from infraci.heat import Cloud
from infraci.plan.preview_servers import SERVER, servers_of
from infraci.progress import Progress
from infraci.templates import StackRequest


@cache
def look_for_images() -> Future[frozenset[str]]:
    """Begin to look which images this machine has; their names, or none where podman can't say."""
    found: Future[frozenset[str]] = Future()

    def look() -> None:
        from infraci.local.host import image_store

        try:
            found.set_result(image_store.built())
        except (InfraciError, OSError):  # what will make the image tells it better
            found.set_result(frozenset())

    Thread(target=look, name="images", daemon=True).start()
    return found


def image_maker(cloud: Cloud, progress: Progress) -> Callable[[StackRequest], None]:
    """Builds or pulls the images of a stack's servers that this machine has not got."""

    def make(request: StackRequest) -> None:
        from infraci.local.host import image_store

        _check_machine()
        names = _plain_images(request)
        if names is not None and names <= look_for_images().result():
            return
        preview = cloud.preview(request, name=f"infraci-images-{secrets.token_hex(4)}")
        asked = {str(server.properties.get("image")) for server in servers_of(preview)}
        for name in sorted(filter(image_store.known, asked)):
            image_store.ensure(name, on_progress=progress.note)

    return make


def _plain_images(request: StackRequest) -> set[str] | None:
    """The images of a request's servers, None unless each is a plain name or parameter.

    Only Heat knows what functions and nested templates come to.
    """
    if request.files:
        return None
    declared = request.template.get("parameters") or {}
    given = {**(request.environment.get("parameters") or {}), **request.parameters}
    names = set()
    for said in _server_images(request.template.get("resources") or {}):
        name = said
        if isinstance(said, dict) and set(said) == {"get_param"}:
            parameter = said["get_param"]
            if not isinstance(parameter, str):
                return None
            name = given.get(parameter, (declared.get(parameter) or {}).get("default"))
        if not isinstance(name, str):
            return None
        names.add(name)
    return names


def _server_images(value: object) -> Iterator[Any]:
    """What is said of the image of each server, those in a group's definition too."""
    if isinstance(value, Mapping):
        if value.get("type") == SERVER:
            yield (value.get("properties") or {}).get("image")
        for inner in value.values():
            yield from _server_images(inner)


def _check_machine() -> None:
    """Raise CloudError where it is plain that no server can run here; cheap, so not thorough."""
    if os.geteuid() == 0 and all(map(shutil.which, ("podman", "ip", "nft"))):
        return
    from infraci.local.host import capabilities

    lacks = [missing.what for missing in capabilities.probe().missing()]
    if lacks:
        raise CloudError(
            f"cannot make servers on this machine: it lacks {', '.join(lacks)}",
            hint="`infraci doctor` says what mends it",
        )
