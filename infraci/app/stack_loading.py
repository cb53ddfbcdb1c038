"""What Heat will be sent: read from a commit's files, or from those of an upgrade's base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout, exported
from infraci.app.options import Overrides
from infraci.errors import DefinitionError, UsageError
from infraci.heat import Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.problem import PipelineFileError
from infraci.model.run import Commit
from infraci.pipeline import OpenBase, Version, untestable
from infraci.plan.offline import OfflineCloud
from infraci.templates import StackRequest

#: Of an Ed25519 key pair with a comment, in OpenSSH's format, at most.
_PRIVATE_KEY_LENGTH = 440
_PUBLIC_KEY_LENGTH = 130

LoadStack = Callable[[], StackRequest]


def stack_loader(
    pipeline: Pipeline,
    *,
    tree: Path,
    cloud: Cloud | OfflineCloud,
    overrides: Overrides,
) -> LoadStack:
    """What reads the request that Heat will be sent, under the cloud's own names."""

    def load() -> StackRequest:
        from infraci.model.decode import load_project
        from infraci.templates import MisfitError, load_stack, with_names

        site = load_project(tree).cloud(cloud.name)
        try:
            request = load_stack(
                pipeline.stack,
                root=tree,
                parameters=overrides.parameters,
                environments=overrides.environments,
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


def host_key_placeholder(tree: Path, cloud: str) -> str:
    """As much text as the host key that a run on that cloud adds to each server's user data."""
    from infraci.model.decode import load_project
    from infraci.model.project import HostKeySource
    from infraci.templates.host_keys import host_key_part

    if load_project(tree).cloud(cloud).host_keys is not HostKeySource.INJECTED:
        return ""
    return host_key_part("x" * _PRIVATE_KEY_LENGTH, "x" * _PUBLIC_KEY_LENGTH)


def base_opener(
    pipeline: Pipeline,
    checkout: Checkout,
    *,
    revision: str | None,
    cloud: Cloud | OfflineCloud,
    overrides: Overrides,
    known: Commit | None = None,
) -> OpenBase:
    """What opens the base of an upgrade to a commit: the commit that ``revision`` leads to.

    ``known`` is the base of an earlier time: the branch that it was found by may have moved.
    """

    @contextmanager
    def open_base() -> Iterator[Version]:
        base = known or git.base_of(checkout.root, checkout.commit, revision)
        with exported(checkout.root, base) as tree:
            base_pipeline = _pipeline_of(base, pipeline, tree)
            load = stack_loader(base_pipeline, tree=tree, cloud=cloud, overrides=overrides)
            yield Version(commit=base, pipeline=base_pipeline, tree=tree, load=load)

    return open_base


def _pipeline_of(base: Commit, head: Pipeline, tree: Path) -> Pipeline:
    """The pipeline of that name as the base has it."""
    from infraci.model.decode import load_pipelines

    try:
        return load_pipelines(tree, [head.name])[0]
    except PipelineFileError as error:
        raise untestable(base, error) from error
    except UsageError as error:
        raise DefinitionError(
            f"cannot upgrade from {base.short} {base.subject}: it has no pipeline {head.name}",
            hint=f"commit {head.path} without `upgrade:` first, or say which commit has it: "
            "upgrade: {from: REVISION}",
        ) from error
