"""Forecasts what an upgrade would change, before its stack is made.

Compares two previews of Heat's, the base's and the commit's. Heat's schema of a resource's type
says whether a property that differs is changed in place; for servers, their update policies do.
Heat decides only when it updates, so this is a forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from infraci.heat.objects import PreviewResource
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem, near
from infraci.model.run import ChangeKind, Commit, ResourceChange
from infraci.plan.plan_values import PipelinePlan
from infraci.plan.preview_servers import SERVER, declared

#: A type's properties, and whether Heat changes each in place; see :meth:`infraci.heat.Cloud`.
Updatable = Callable[[str], Mapping[str, bool]]

#: Properties of a server that a policy of its decides on: the policy, and Heat's default.
_POLICIES = {
    "image": ("image_update_policy", "REBUILD"),
    "flavor": ("flavor_update_policy", "RESIZE"),
    "user_data": ("user_data_update_policy", "REPLACE"),
}
_BY_POLICY = {
    "REPLACE": ChangeKind.REPLACED,
    "REBUILD": ChangeKind.REBUILT,
    "REBUILD_PRESERVE_EPHEMERAL": ChangeKind.REBUILT,
    "RESIZE": ChangeKind.UPDATED,
}
#: What `upgrade.no_replace` forbids.
_LOST = (ChangeKind.REMOVED, ChangeKind.REPLACED, ChangeKind.REBUILT)
#: The worst that happens to any property happens to the resource.
_WORST = (ChangeKind.REPLACED, ChangeKind.REBUILT, ChangeKind.UPDATED)


def with_upgrade(
    plan: PipelinePlan,
    pipeline: Pipeline,
    *,
    base: Commit,
    before: PipelinePlan,
    template: Mapping[str, Any],
    updatable: Updatable,
) -> PipelinePlan:
    """The plan with what the update would change; ``before`` is the base's own plan."""
    plan = replace(plan, base=base)
    if before.problems:
        of_base = [
            replace(problem, message=f"{problem.message} (in the base, {base.short})")
            for problem in before.problems
        ]
        return replace(plan, problems=(*plan.problems, *of_base))
    if plan.problems:
        return plan
    changes = foresee(before.resources, plan.resources, template=template, updatable=updatable)
    return replace(
        plan,
        changes=changes,
        notices=(*plan.notices, *_notices(changes, pipeline)),
        problems=tuple(_problems((*before.resources, *plan.resources), pipeline)),
    )


def foresee(
    before: Sequence[PreviewResource],
    after: Sequence[PreviewResource],
    *,
    template: Mapping[str, Any],
    updatable: Updatable,
) -> tuple[ResourceChange, ...]:
    """The changes from one preview to another, by path."""
    old, new = _by_path(before), _by_path(after)
    changes = {
        path: ResourceChange(path=path, type=old[path].type, kind=ChangeKind.REMOVED)
        for path in old.keys() - new.keys()
    }
    for path in new.keys() - old.keys():
        changes[path] = ResourceChange(path=path, type=new[path].type, kind=ChangeKind.ADDED)
    differing = {
        path: {
            name
            for name in old[path].properties.keys() | new[path].properties.keys()
            if old[path].properties.get(name) != new[path].properties.get(name)
        }
        for path in old.keys() & new.keys()
    }
    replaced: set[str] = set()
    while True:  # what is replaced changes those that refer to it
        for path, names in differing.items():
            names |= _referring(new[path], replaced, template)
            change = _change(old[path], new[path], names, updatable)
            if change is not None:
                changes[path] = change
        more_replaced = {path for path, c in changes.items() if c.kind is ChangeKind.REPLACED}
        if more_replaced <= replaced:
            return tuple(changes[path] for path in sorted(changes))
        replaced |= more_replaced


def _by_path(resources: Sequence[PreviewResource]) -> dict[str, PreviewResource]:
    return {nested.path: nested for resource in resources for nested in resource.walk()}


def _change(
    old: PreviewResource, new: PreviewResource, names: set[str], updatable: Updatable
) -> ResourceChange | None:
    if old.type != new.type and old.type and new.type:
        return ResourceChange(
            path=new.path, type=new.type, kind=ChangeKind.REPLACED, properties=("type",)
        )
    kinds = {name: _kind(name, new, updatable) for name in sorted(names)}
    present = {name: kind for name, kind in kinds.items() if kind is not None}
    if not present:
        return None
    worst = next(kind for kind in _WORST if kind in present.values())
    causes = tuple(name for name, kind in present.items() if kind is worst)
    return ResourceChange(path=new.path, type=new.type, kind=worst, properties=causes)


def _kind(name: str, resource: PreviewResource, updatable: Updatable) -> ChangeKind | None:
    """How Heat changes a resource for a property that differs; None if it does not."""
    if resource.type == SERVER and name in _POLICIES:
        policy, default = _POLICIES[name]
        return _BY_POLICY.get(str(resource.properties.get(policy) or default))
    in_place = updatable(resource.type).get(name, True)
    return ChangeKind.UPDATED if in_place else ChangeKind.REPLACED


def _referring(
    resource: PreviewResource, replaced: set[str], template: Mapping[str, Any]
) -> set[str]:
    """The properties that are written with a reference to something that is replaced."""
    properties = declared(resource, template.get("resources") or {})
    return {name for name, value in properties.items() if replaced.intersection(_references(value))}


def _references(value: object) -> Iterator[str]:
    """The resources that a value of a template refers to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("get_resource", "get_attr"):
                yield str(inner[0] if isinstance(inner, list) else inner)
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _notices(changes: Sequence[ResourceChange], pipeline: Pipeline) -> Iterator[str]:
    patterns = pipeline.upgrade.no_replace if pipeline.upgrade else ()
    for change in changes:
        if change.kind in _LOST and any(fnmatchcase(change.path, p) for p in patterns):
            causes = f" (for its {', '.join(change.properties)})" if change.properties else ""
            yield (
                f"{change.path} would be {change.kind}{causes}, which upgrade.no_replace forbids"
            )


def _problems(resources: Sequence[PreviewResource], pipeline: Pipeline) -> Iterator[Problem]:
    """Patterns that protect nothing, neither of the base's resources nor of the commit's."""
    paths = _by_path(resources)
    for number, pattern in enumerate(pipeline.upgrade.no_replace if pipeline.upgrade else ()):
        if not any(fnmatchcase(path, pattern) for path in paths):
            yield Problem(
                file=str(pipeline.path),
                key_path=f"upgrade.no_replace[{number}]",
                message=f'the stack has no resource "{pattern}"',
                suggestion=near(pattern, paths),
            )
