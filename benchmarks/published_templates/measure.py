"""Plans the stacks of a collection: for any cloud, which tells what is usable, and for this one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from openstack.connection import Connection

from benchmarks.published_templates.collection import Collection, Document
from benchmarks.published_templates.exclusions import exclude, unreadable
from benchmarks.published_templates.pipelines import StackChoice, choose, make_repository
from benchmarks.published_templates.purposes import Purpose
from benchmarks.published_templates.results import Result
from infraci.heat import Cloud
from infraci.model.decode import load_pipelines
from infraci.model.problem import Problem
from infraci.model.run import Overrides
from infraci.plan import plan_pipeline
from infraci.plan.offline import OfflineCloud
from infraci.templates import load_request

#: While Heat is at work for one, another is read.
_AT_ONCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """The embedded cloud, and its Heat as one that takes each name for one that there is."""

    embedded: Cloud
    any_cloud: OfflineCloud
    connection: Connection  # to the embedded one
    names: Mapping[Purpose, str]  # of what there is on the embedded one for each purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A collection with a pipeline for each of its stacks, by name."""

    collection: Collection
    root: Path
    choices: Mapping[str, StackChoice]


@contextmanager
def repository(
    collection: Collection, clouds: Clouds, only: Callable[[str], bool]
) -> Iterator[Repository]:
    """Make pipelines for the stacks of a collection whose paths are meant."""

    @cache
    def is_lacking(type_: str) -> bool:
        heat = clouds.any_cloud
        is_native = type_.startswith(("OS::", "AWS::"))
        return is_native and (heat.is_retired(type_) or not heat.updatable(type_))

    stacks = [
        template
        for path, template in collection.templates.items()
        if path not in collection.fragments and template.content and only(str(path))
    ]
    choices = {
        f"stack-{n:03}": choose(collection, stack, names=clouds.names, is_lacking=is_lacking)
        for n, stack in enumerate(stacks)
    }
    with TemporaryDirectory(prefix="infraci-published-") as folder:
        root = Path(folder) / "repository"
        make_repository(collection, choices, root)
        yield Repository(collection=collection, root=root, choices=choices)


def measure(own: Repository, clouds: Clouds, only: Callable[[str], bool]) -> Iterator[Result]:
    """Yield what becomes of each file of a collection that is meant."""
    for path, template in own.collection.templates.items():
        if not only(str(path)):
            continue
        part_of = own.collection.fragments.get(path)
        if part_of is not None or not template.content:
            yield _unplanned(own.collection, template, part_of or "")
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        yield from pool.map(partial(_plan, own, clouds), own.choices)


def _unplanned(collection: Collection, template: Document, part_of: str) -> Result:
    exclusion = None if part_of else unreadable(template)
    return Result(
        collection=collection.name,
        file=str(template.path),
        part_of=part_of,
        excluded=exclusion.reason if exclusion else None,
        detail=exclusion.detail if exclusion else "",
    )


def _plan(own: Repository, clouds: Clouds, name: str) -> Result:
    choice = own.choices[name]
    template = own.collection.templates[choice.template]
    anywhere = _problems(own.root, name, clouds.any_cloud)
    exclusion = exclude(own.collection, template, choice, anywhere)
    here = () if exclusion else _problems(own.root, name, clouds.embedded)
    return Result(
        collection=own.collection.name,
        file=str(choice.template),
        excluded=exclusion.reason if exclusion else None,
        detail=exclusion.detail if exclusion else "",
        problems=tuple(problem.message for problem in here),
    )


def _problems(root: Path, name: str, cloud: Cloud | OfflineCloud) -> tuple[Problem, ...]:
    """The problems of a stack's plan, without what a sandbox would say of its specs."""
    (pipeline,) = load_pipelines(root, [name])
    plan = plan_pipeline(
        pipeline,
        root=root,
        cloud=cloud,
        load=partial(load_request, pipeline, tree=root, cloud=cloud, overrides=Overrides()),
        name=f"infraci-plan-{name}",
    )
    return plan.problems
