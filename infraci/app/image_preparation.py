"""Makes the embedded cloud's images before Heat asks for them, so that progress shows it."""

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
    """List in a thread which images this machine has; none where podman cannot list them."""
    images: Future[frozenset[str]] = Future()

    def look() -> None:
        from infraci.local.host import image_store

        try:
            images.set_result(image_store.built())
        except (InfraciError, OSError):  # making the image will raise it again
            images.set_result(frozenset())

    Thread(target=look, name="images", daemon=True).start()
    return images


def image_maker(cloud: Cloud, progress: Progress) -> Callable[[StackRequest], None]:
    """What builds or pulls the images of a stack's servers that this machine lacks."""

    def make(request: StackRequest) -> None:
        from infraci.local.host import image_store

        _check_machine()
        names = _plain_images(request)
        if names is not None and names <= look_for_images().result():
            return
        preview = cloud.preview(request, name=f"infraci-images-{secrets.token_hex(4)}")
        names_in_preview = {str(server.properties.get("image")) for server in servers_of(preview)}
        for name in sorted(filter(image_store.known, names_in_preview)):
            image_store.ensure(name, on_progress=progress.note)

    return make


def _plain_images(request: StackRequest) -> set[str] | None:
    """The images of a request's servers, None unless each is a plain name or parameter.

    Only Heat can evaluate functions and nested templates.
    """
    if request.files:
        return None
    declared = request.template.get("parameters") or {}
    values = {**(request.environment.get("parameters") or {}), **request.parameters}
    names = set()
    for image in _server_images(request.template.get("resources") or {}):
        name = image
        if isinstance(image, dict) and set(image) == {"get_param"}:
            parameter = image["get_param"]
            if not isinstance(parameter, str):
                return None
            name = values.get(parameter, (declared.get(parameter) or {}).get("default"))
        if not isinstance(name, str):
            return None
        names.add(name)
    return names


def _server_images(value: object) -> Iterator[Any]:
    """The ``image`` property of each server, also of those in a group's definition."""
    if isinstance(value, Mapping):
        if value.get("type") == SERVER:
            yield (value.get("properties") or {}).get("image")
        for inner in value.values():
            yield from _server_images(inner)


def _check_machine() -> None:
    """Raise CloudError where servers surely cannot run here; a quick check, not a full one."""
    if os.geteuid() == 0 and all(map(shutil.which, ("podman", "ip", "nft"))):
        return
    from infraci.local.host import capabilities

    lacks = [missing.what for missing in capabilities.probe().missing()]
    if lacks:
        raise CloudError(
            f"cannot make servers on this machine: it lacks {', '.join(lacks)}",
            hint="`infraci doctor` says how to fix it",
        )
