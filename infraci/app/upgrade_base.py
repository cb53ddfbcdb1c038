"""Opens the base of an upgrade: the commit that it begins from, its files and its pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout, exported
from infraci.errors import DefinitionError, UsageError
from infraci.heat import Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.problem import PipelineFileError
from infraci.model.run import Commit, Overrides
from infraci.pipeline import OpenBase, Version, untestable
from infraci.plan.offline import OfflineCloud
from infraci.templates import load_request


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
            load = partial(load_request, base_pipeline, tree=tree, cloud=cloud, overrides=overrides)
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
