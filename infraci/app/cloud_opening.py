"""Opens clouds: those of clouds.yaml, and the embedded one, which is started and gets its images.

Images are made before Heat asks for them, so that progress shows it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from infraci.base.terminal import say
from infraci.base.trust import is_untrusted
from infraci.errors import CloudError, InfraciError, UsageError
from infraci.heat import LOCAL, Cloud
from infraci.model.catalog import Catalog
from infraci.model.pipeline import Pipeline
from infraci.plan.offline import OfflineCloud
from infraci.plan.preview_servers import SERVER, servers_of
from infraci.progress import Progress
from infraci.templates import StackRequest


def open_cloud(name: str) -> Cloud:
    """The cloud of that name; the embedded one is started if need be."""

    def up() -> Path:
        from infraci.local.cloud_process import ensure_up

        return ensure_up(on_progress=lambda text: say(f"{text} …", err=True))

    if name == LOCAL:
        look_for_images()  # while the cloud is connected
    return Cloud.connect(name, local=up)


@contextmanager
def open_offline(name: str) -> Iterator[OfflineCloud]:
    """Open a stand-in for a cloud that is not asked: the embedded cloud's Heat validates for it."""
    from infraci.local.account import ANY_CLOUD
    from infraci.local.cloud_process import ensure_up

    online = "or have the cloud's own Heat asked: `infraci plan --online`"
    try:
        clouds_yaml = ensure_up(on_progress=lambda text: say(f"{text} …", err=True))
        heat = Cloud.connect(ANY_CLOUD, clouds_yaml=clouds_yaml)
    except UsageError as error:
        hint = error.hint or "`infraci cloud down` ends one of an earlier infraci"
        raise UsageError(error.message, hint=f"{hint}; {online}") from error

    def stand_in() -> Catalog:
        with Cloud.connect(LOCAL, clouds_yaml=clouds_yaml) as embedded:
            return replace(embedded.catalog(), cloud=name)

    with heat:
        yield OfflineCloud(name=name, heat=heat, stand_in=stand_in)


def cloud_of(pipeline: Pipeline, cloud: str) -> str:
    """The cloud that a cell of a matrix names, or else the command line's.

    Raises UsageError for an untrusted commit that names another one.
    """
    if is_untrusted() and pipeline.cloud not in ("", cloud):
        raise UsageError(
            f"cannot run {pipeline.name} on cloud {pipeline.cloud}: only an untrusted commit names"
            " it",
            hint=f"to use it nevertheless: --cloud {pipeline.cloud} '{pipeline.name}'",
        )
    return pipeline.cloud or cloud


# The images of the embedded cloud

_FORMAT = "user_data_format"


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
        names_in_preview = {
            _image_to_boot(str(server.properties.get("image")), server.properties)
            for server in servers_of(preview)
        }
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
    for properties in _servers_in(request.template.get("resources") or {}):
        name = image = properties.get("image")
        if isinstance(image, dict) and set(image) == {"get_param"}:
            parameter = image["get_param"]
            if not isinstance(parameter, str):
                return None
            name = values.get(parameter, (declared.get(parameter) or {}).get("default"))
        if not isinstance(name, str) or isinstance(properties.get(_FORMAT), Mapping):
            return None
        names.add(_image_to_boot(name, properties))
    return names


def _servers_in(value: object) -> Iterator[Mapping[str, Any]]:
    """The properties of each server, also of those in a group's definition."""
    if isinstance(value, Mapping):
        if value.get("type") == SERVER:
            yield value.get("properties") or {}
        for inner in value.values():
            yield from _servers_in(inner)


def _image_to_boot(image: str, properties: Mapping[str, Any]) -> str:
    """The image with Heat's agents, where Heat writes user data for them."""
    from infraci.local.host.recipe import image_with_agents

    return image_with_agents(image) if properties.get(_FORMAT) == "SOFTWARE_CONFIG" else image


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
