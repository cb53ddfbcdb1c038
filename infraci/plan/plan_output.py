"""A plan as text for people, and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from infraci.base.columns import columns
from infraci.heat.objects import PreviewResource
from infraci.model.run import Commit
from infraci.plan.plan_values import PipelinePlan, PlannedServer


def as_data(plans: Sequence[PipelinePlan], commit: Commit, cloud: str) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {"commit": asdict(commit), "cloud": cloud, "pipelines": [_plain(p) for p in plans]}


def as_text(
    plans: Sequence[PipelinePlan], commit: Commit, cloud: str, *, verbose: bool = False
) -> str:
    """The plans, one after the other."""
    lines = [f"commit {commit.short} {commit.subject} (on {cloud})"]
    for plan in plans:
        lines += ["", *_pipeline(plan, verbose)]
    for plan in plans:
        if plan.template:
            lines += ["", f"--- # the template of {plan.name}, as Heat gets it", plan.template]
    count = sum(len(plan.problems) for plan in plans)
    if count:
        lines += ["", f"{count} problem{'' if count == 1 else 's'}: nothing would be made"]
    return "\n".join(lines)


def _pipeline(plan: PipelinePlan, verbose: bool) -> Iterator[str]:
    voting = "" if plan.voting else "  (non-voting)"
    description = f"  {plan.description}" if plan.description else ""
    yield f"{plan.name}{voting}{description}"
    yield from _section("resources", _resources(plan, verbose))
    if plan.servers:
        yield from _section("servers", _table(_server(s) for s in plan.servers))
        steps = ((step.name, "on", _names(step.servers)) for step in plan.steps)
        yield from _section("configure", _table(steps))
    if plan.servers or plan.stack_specs:
        yield "  specs"
        tested = [(s.path, s.spec_files, s.specs) for s in plan.servers if s.specs]
        if plan.stack_specs:
            tested.append(("the stack", plan.stack_spec_files, plan.stack_specs))
        yield from _table((what, _files(count), ", ".join(paths)) for what, count, paths in tested)
    if plan.base is not None:
        yield f"  upgrade from {plan.base.short} {plan.base.subject}"
        rows = ((c.kind, c.path, c.type, ", ".join(c.properties)) for c in plan.changes)
        yield from _table(rows) or ["    no resource would change"]
    for notice in plan.notices:
        yield f"  note: {notice}"
    for problem in plan.problems:
        yield f"  problem: {problem}"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """The lines below their title; nothing where there are none."""
    if lines:
        yield f"  {title}"
        yield from lines


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    return list(columns([*rows], indent="    "))


def _resources(plan: PipelinePlan, verbose: bool) -> list[str]:
    return [line for resource in plan.resources for line in _tree(resource, "    ", verbose)]


def _tree(resource: PreviewResource, indent: str, verbose: bool) -> Iterator[str]:
    yield f"{indent}{resource.name}  {resource.type or 'nested stack'}"
    if verbose:
        for name, value in sorted(resource.properties.items()):
            if value not in (None, "", [], {}):
                yield f"{indent}  . {name}: {value}"
    for child in resource.nested:
        yield from _tree(child, f"{indent}  ", verbose)


def _server(server: PlannedServer) -> tuple[str, ...]:
    return (
        server.path,
        server.role or "no role",
        f"{server.user}@{server.name}",
        server.image,
        server.flavor,
        ", ".join(server.networks),
    )


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "no server"


def _plain(plan: PipelinePlan) -> dict[str, Any]:
    data = asdict(plan)
    data["problems"] = [{**asdict(p), "text": str(p)} for p in plan.problems]
    return data
