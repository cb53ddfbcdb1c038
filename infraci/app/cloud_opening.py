"""How the verbs put a run together: cloud, ledger, progress, and the rooms that do the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infraci.app.image_preparation import look_for_images
from infraci.base.terminal import say
from infraci.base.trust import is_untrusted
from infraci.errors import UsageError
from infraci.heat import LOCAL, Cloud
from infraci.ledger.ledger import Ledger
from infraci.model.catalog import Catalog
from infraci.model.pipeline import DestroyPolicy, Pipeline
from infraci.model.run import RunRecord
from infraci.plan.offline import Unasked
from infraci.progress import Progress
from infraci.progress.plain import PlainProgress
from infraci.templates import StackRequest

#: After so long a silence, a line tells what is waited for.
_SILENCE_S = 30.0
#: Of an Ed25519 key pair with a comment, in OpenSSH's format, at most.
_PRIVATE_KEY_LENGTH = 440
_PUBLIC_KEY_LENGTH = 130

Load = Callable[[], StackRequest]


def open_cloud(name: str) -> Cloud:
    """The cloud of that name; the embedded one is started if need be."""

    def up() -> Path:
        from infraci.local.cloud_process import ensure_up

        return ensure_up(on_progress=lambda text: say(f"{text} …", err=True))

    if name == LOCAL:
        look_for_images()  # while the cloud is connected
    return Cloud.connect(name, local=up)


@contextmanager
def open_unasked(name: str) -> Iterator[Unasked]:
    """Stand for a cloud that is not to be asked; the embedded one's Heat judges in its place."""
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
        yield Unasked(name=name, heat=heat, stand_in=stand_in)


def cloud_of(pipeline: Pipeline, cloud: str) -> str:
    """The cloud that a cell of a matrix asks for, or else the command line's.

    Raises UsageError for an untrusted commit that asks for another one.
    """
    if is_untrusted() and pipeline.cloud not in ("", cloud):
        raise UsageError(
            f"cannot run {pipeline.name} on cloud {pipeline.cloud}: only an untrusted commit names"
            " it",
            hint=f"to use it nevertheless: --cloud {pipeline.cloud} '{pipeline.name}'",
        )
    return pipeline.cloud or cloud


def policy_of(pipeline: Pipeline, given: str | None) -> DestroyPolicy:
    """When a run's stack is destroyed; an untrusted commit's own wish to keep it counts nothing."""
    if given is None and is_untrusted():
        return DestroyPolicy.ALWAYS
    return DestroyPolicy(given or pipeline.destroy)


def make_progress(verbosity: int) -> Progress:
    """A live view in a terminal, lines elsewhere; both on stderr."""
    if verbosity >= 0 and sys.stderr.isatty() and not os.environ.get("CI"):
        from infraci.progress.live import LiveProgress

        return LiveProgress(verbosity=verbosity)
    return PlainProgress(
        lambda line: say(line, err=True), verbosity=verbosity, silence_s=_SILENCE_S
    )


def loader(
    pipeline: Pipeline,
    *,
    tree: Path,
    cloud: Cloud | Unasked,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
) -> Load:
    """What Heat will be sent, under the cloud's own names; read when it is asked for."""

    def load() -> StackRequest:
        from infraci.model.decode import load_project
        from infraci.templates import MisfitError, load_stack, with_names

        site = load_project(tree).cloud(cloud.name)
        try:
            request = load_stack(
                pipeline.stack,
                root=tree,
                parameters=parameters or {},
                environments=environments,
                catalog=lambda: cloud.catalog().by_names(
                    images=site.images, flavors=site.flavors, networks=site.networks
                ),
                pipeline=pipeline.path,
                max_template_bytes=site.max_template_bytes,
            )
        except MisfitError as error:
            error.request = with_names(error.request, site)
            raise
        return with_names(request, site)

    return load


def own_part(tree: Path, cloud: str) -> str:
    """What a run on that cloud adds to each server's user data, of the same length."""
    from infraci.model.decode import load_project
    from infraci.model.project import HostKeySource
    from infraci.templates.host_keys import host_key_part

    if load_project(tree).cloud(cloud).host_keys is not HostKeySource.INJECTED:
        return ""
    return host_key_part("x" * _PRIVATE_KEY_LENGTH, "x" * _PUBLIC_KEY_LENGTH)


def find_run(ledger: Ledger, run_id: str | None) -> RunRecord:
    """The run that begins so; the latest one that still has a stack, if none is named."""
    if run_id is not None:
        return ledger.load(ledger.find(run_id))
    records = ledger.list()
    if not records:
        raise UsageError("cannot find a run: there is none yet", hint="`infraci run` makes one")
    standing = [record for record in records if not record.destroyed]
    return (standing or list(records))[-1]


def find_pipeline(tree: Path, name: str) -> Pipeline:
    """The pipeline of a run, in the tree that is worked with now."""
    from infraci.model.decode import load_pipelines

    return load_pipelines(tree, [name])[0]
