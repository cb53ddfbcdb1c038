"""The commit that an upgrade begins from: which one, its pipeline, and its files on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from infraci import git
from infraci.app.checkout import exported
from infraci.app.cloud_opening import loader
from infraci.errors import DefinitionError, UsageError
from infraci.heat import Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.problem import PipelineFileError
from infraci.model.run import Commit
from infraci.pipeline import OpenBase, Version, untestable
from infraci.plan.offline import Unasked


def base_opener(
    pipeline: Pipeline,
    *,
    root: Path,
    commit: Commit,
    cloud: Cloud | Unasked,
    parameters: Mapping[str, str] | None = None,
    environments: Sequence[Path] = (),
    known: Commit | None = None,
) -> OpenBase | None:
    """What opens the base of an upgrade to a commit; None for a pipeline that is no upgrade.

    ``known`` is the base of an earlier time: the branch that it was found by may have moved.
    """
    if pipeline.upgrade is None:
        return None
    revision = pipeline.upgrade.from_revision

    @contextmanager
    def open_base() -> Iterator[Version]:
        base = known or git.base_of(root, commit, revision)
        with exported(root, base) as tree:
            found = _pipeline_of(base, pipeline, tree)
            load = loader(
                found, tree=tree, cloud=cloud, parameters=parameters, environments=environments
            )
            yield Version(commit=base, pipeline=found, tree=tree, load=load)

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
