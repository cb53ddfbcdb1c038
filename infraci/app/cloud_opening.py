"""Opens clouds: those of clouds.yaml, and the embedded one, which is started if need be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infraci.app.image_preparation import look_for_images
from infraci.base.terminal import say
from infraci.base.trust import is_untrusted
from infraci.errors import UsageError
from infraci.heat import LOCAL, Cloud
from infraci.model.catalog import Catalog
from infraci.model.pipeline import Pipeline
from infraci.plan.offline import OfflineCloud


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
