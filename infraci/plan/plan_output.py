"""A plan as text for people, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    if plan.resources:
        yield "  resources"
        for resource in plan.resources:
            yield from _tree(resource, "    ", verbose)
    if plan.servers:
        yield "  servers"
        yield from columns([_server(s) for s in plan.servers], indent="    ")
    if plan.steps and plan.servers:
        yield "  configure"
        yield from columns([(s.name, "on", _names(s.servers)) for s in plan.steps], indent="    ")
    if plan.servers:
        yield "  specs"
        yield from columns(
            [
                (server.path, _files(server), ", ".join(server.specs))
                for server in plan.servers
                if server.specs
            ],
            indent="    ",
        )
    if plan.base is not None:
        yield f"  upgrade from {plan.base.short} {plan.base.subject}"
        rows = [(c.kind, c.path, c.type, ", ".join(c.properties)) for c in plan.changes]
        yield from columns(rows, indent="    ") if rows else ["    no resource would change"]
    for notice in plan.notices:
        yield f"  note: {notice}"
    for problem in plan.problems:
        yield f"  problem: {problem}"


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


def _files(server: PlannedServer) -> str:
    return f"{server.spec_files} file{'' if server.spec_files == 1 else 's'}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "no server"


def _plain(plan: PipelinePlan) -> dict[str, Any]:
    data = asdict(plan)
    data["problems"] = [{**asdict(p), "text": str(p)} for p in plan.problems]
    return data
