"""Plans pipelines: what a run would make and run, and all that is wrong."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from infraci.app.checkout import Checkout
from infraci.app.cloud_opening import cloud_of, open_cloud, open_offline
from infraci.app.upgrade_base import base_opener
from infraci.base.trust import is_untrusted
from infraci.errors import DefinitionError, UsageError
from infraci.heat import LOCAL, Cloud
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError, Problem
from infraci.model.run import Overrides
from infraci.pipeline import UntestableUpgradeError
from infraci.pipeline.drivers import Load
from infraci.plan import (
    PipelinePlan,
    check_untrusted,
    examine,
    plan_pipeline,
    with_upgrade,
)
from infraci.plan.offline import OfflineCloud
from infraci.templates import host_key_placeholder, load_request


def plans_of(
    checkout: Checkout,
    names: Sequence[str],
    cloud: Cloud | OfflineCloud,
    overrides: Overrides,
    *,
    with_template: bool = False,
    online: bool = False,
) -> list[PipelinePlan]:
    """The plans of all pipelines; those whose files cannot be read have problems only."""
    from infraci.model.decode import load_pipelines

    try:
        pipelines = load_pipelines(checkout.tree, names)
    except FileError as error:
        return [PipelinePlan(name=_stems(error), problems=error.problems)]
    plans = []
    for pipeline in pipelines:
        with _cloud_of(pipeline, cloud, online=online) as planner:
            plans.append(_plan(pipeline, checkout, planner, overrides, with_template))
    return plans


@contextmanager
def open_planner(cloud: str, *, online: bool) -> Iterator[Cloud | OfflineCloud]:
    """The embedded cloud, a cloud that may be asked, or what stands for one that may not."""
    if online or cloud == LOCAL:
        with open_cloud(cloud) as opened:
            yield opened
    else:
        with open_offline(cloud) as offline_cloud:
            yield offline_cloud


@contextmanager
def _cloud_of(
    pipeline: Pipeline, cloud: Cloud | OfflineCloud, *, online: bool
) -> Iterator[Cloud | OfflineCloud]:
    """The cloud that a cell of a matrix asks for, or the one that is open."""
    if cloud_of(pipeline, cloud.name) == cloud.name:
        yield cloud
    else:
        with open_planner(pipeline.cloud, online=online) as opened:
            yield opened


def _plan(
    pipeline: Pipeline,
    checkout: Checkout,
    cloud: Cloud | OfflineCloud,
    overrides: Overrides,
    with_template: bool,
) -> PipelinePlan:
    from infraci.model.decode import load_project

    load = partial(load_request, pipeline, tree=checkout.tree, cloud=cloud, overrides=overrides)
    plan = plan_one(pipeline, checkout.tree, load, cloud=cloud, with_template=with_template)
    if is_untrusted():
        site = load_project(checkout.tree).cloud(cloud.name)
        plan = replace(plan, problems=(*plan.problems, *check_untrusted(pipeline, site)))
    if pipeline.upgrade is None:
        return plan
    open_base = base_opener(
        pipeline,
        checkout,
        revision=pipeline.upgrade.from_revision,
        cloud=cloud,
        overrides=overrides,
    )
    try:
        with open_base() as base:
            before = plan_one(base.pipeline, base.tree, base.load, cloud=cloud)
            return with_upgrade(
                plan,
                pipeline,
                base=base.commit,
                before=before,
                template={} if plan.problems else load().template,
                updatable=cache(cloud.updatable),
            )
    except (DefinitionError, UsageError, UntestableUpgradeError) as error:
        advice = f"; {error.hint}" if error.hint else ""
        problem = Problem(
            file=str(pipeline.path), key_path="upgrade", message=f"{error.message}{advice}"
        )
        return replace(plan, problems=(*plan.problems, problem))


def plan_one(
    pipeline: Pipeline,
    root: Path,
    load: Load,
    *,
    cloud: Cloud | OfflineCloud,
    with_template: bool = False,
) -> PipelinePlan:
    """The plan of one pipeline, without its upgrade."""
    return plan_pipeline(
        pipeline,
        root=root,
        cloud=cloud,
        load=load,
        name=f"infraci-plan-{secrets.token_hex(4)}",
        own_part=host_key_placeholder(root, cloud.name),
        examine=examine,
        with_template=with_template,
    )


def _stems(error: FileError) -> str:
    return ", ".join(dict.fromkeys(Path(problem.file).stem for problem in error.problems))
