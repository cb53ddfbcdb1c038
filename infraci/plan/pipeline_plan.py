"""One pipeline's plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

from infraci.heat import LOCAL, PreviewResource, StackPreview
from infraci.heat.stacks import Request
from infraci.local.host.capabilities import can_filter, missing_haproxy, no_volumes_reason
from infraci.model.fields import THE_STACK
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError, Problem, in_order, near, quoted
from infraci.model.server_names import distinct_names
from infraci.plan.draft import Draft
from infraci.plan.fidelity import fidelity_notices
from infraci.plan.files import check_files, serverspec_files, spec_files
from infraci.plan.lfs import ADVICE, lfs_pointers
from infraci.plan.logins import login_notices, user_data_texts
from infraci.plan.offline import OfflineCloud
from infraci.plan.plan_values import PipelinePlan, PlannedServer, PlannedStep
from infraci.plan.plays import play_notices
from infraci.plan.preview_servers import networks_of, nova_name, servers_of
from infraci.plan.refusal import Refusals
from infraci.plan.roles import (
    required_roles,
    role_of,
    serverspec_for,
    specs_for,
    stack_specs,
    user_of,
)
from infraci.plan.sandboxed_checks import Examination
from infraci.plan.size_limits import limit_problems
from infraci.plan.ssh_rules import security_notices
from infraci.plan.stack_problems import Collected, check_request, check_types, collect
from infraci.templates import (
    MisfitError,
    StackRequest,
    show_template,
    with_key_pair,
)


class Planner(Protocol):
    """What a plan asks of a cloud; see :class:`infraci.heat.Cloud`."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def preview(self, request: Request, *, name: str) -> StackPreview: ...  # noqa: D102

    def names(self, kind: str) -> Sequence[str]: ...  # noqa: D102

    def updatable(self, resource_type: str) -> Mapping[str, bool]: ...  # noqa: D102

    def is_retired(self, resource_type: str) -> bool: ...  # noqa: D102

    def default_rules(self) -> Sequence[Mapping[str, Any]] | None: ...  # noqa: D102


def plan_pipeline(
    pipeline: Pipeline,
    *,
    root: Path,
    cloud: Planner,
    load: Callable[[], StackRequest],
    name: str,
    with_template: bool = False,
    own_part: str = "",
    examine: Callable[[Pipeline, Path], Examination] = lambda pipeline, root: Examination(),
) -> PipelinePlan:
    """Ask Heat what it would make, and say what would run where. Problems are in the plan.

    Meanwhile ``examine`` checks playbooks and specs; see :func:`infraci.plan.sandboxed_checks`.

    ``name`` is the stack's: two plans can be compared if it is the same. ``own_part`` is what a
    run adds to each server's user data.
    Of a cloud that is :class:`OfflineCloud` notices say what is not known.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(examine, pipeline, root)
        plan = _planned(pipeline, root, cloud, load, name, with_template, own_part)
        examination = pending.result()
    return replace(
        plan,
        problems=examination.besides(plan.problems),
        notices=(*plan.notices, *examination.notices),
    )


def _planned(
    pipeline: Pipeline,
    root: Path,
    cloud: Planner,
    load: Callable[[], StackRequest],
    name: str,
    with_template: bool,
    own_part: str,
) -> PipelinePlan:
    """The plan, but for what only a sandbox can check."""
    problems = [
        *check_files(pipeline, root),
        *(
            Problem(file=str(file), message=f"is an LFS pointer, not the content: {ADVICE}")
            for file in lfs_pointers(pipeline, root)
        ),
    ]
    unfit: frozenset[str] = frozenset()
    try:
        request = load()
    except MisfitError as error:
        problems += error.problems
        request, unfit = error.request, error.unfit
    except FileError as error:
        return _plan(pipeline, root, problems=[*problems, *error.problems])
    collected = _ask(pipeline, request, cloud, name, unfit, root)
    preview = collected.preview
    servers = _servers(preview, pipeline, request, root) if preview else ()
    if preview is not None:
        refusals = Refusals.of(request, pipeline.stack.template, root)
        texts = partial(user_data_texts, request)
        problems += in_order(limit_problems(preview, refusals, texts=texts, own_part=own_part))
    if preview is not None and not collected.problems:  # else less is known of the servers
        problems += _role_problems(pipeline, servers)
    plan = _plan(
        pipeline,
        root,
        preview=preview,
        servers=servers,
        notices=(
            *map(str, request.notices),
            *(cloud.notices(preview, stack=name) if isinstance(cloud, OfflineCloud) else ()),
            *(_notices(pipeline, preview, servers, cloud.name) if preview else ()),
            *security_notices(request, cloud=cloud.name, default_rules=cache(cloud.default_rules)),
            *login_notices(request, pipeline),
            *map(str, play_notices(pipeline, servers, root) if servers else ()),
        ),
        problems=[*problems, *collected.problems],
        template=show_template(request) if with_template else "",
    )
    return replace(plan, is_refused=bool(collected.problems))


def _servers(
    preview: StackPreview, pipeline: Pipeline, request: StackRequest, root: Path
) -> tuple[PlannedServer, ...]:
    servers = servers_of(preview)
    names = distinct_names([nova_name(server) for server in servers], [s.path for s in servers])
    return tuple(
        _server(server, name, pipeline, request, root)
        for server, name in zip(servers, names, strict=True)
    )


def _ask(
    pipeline: Pipeline,
    request: StackRequest,
    cloud: Planner,
    name: str,
    unfit: Collection[str],
    root: Path,
) -> Collected:
    """What Heat says of the request; no key pair is made for the question."""
    draft = Draft(request)
    refusals = Refusals.of(
        request,
        pipeline.stack.template,
        root,
        property_names=cache(cloud.updatable),
        names=cache(cloud.names),
        cloud=cloud.name,
    )
    parameter = pipeline.stack.key_parameter
    if with_key_pair(request, parameter, name) is not request:
        draft.make_unknown(parameter, name)
    for wrong in unfit:
        draft.forget_parameter("", wrong)
    problems = check_request(draft, refusals)
    if cloud.name != LOCAL:  # whose Heat refuses these itself, and says why
        problems += check_types(draft, refusals, cloud.is_retired)
    collected = collect(draft, refusals, lambda draft: cloud.preview(draft, name=name))
    return replace(collected, problems=in_order((*problems, *collected.problems)))


def _plan(
    pipeline: Pipeline,
    root: Path,
    *,
    preview: StackPreview | None = None,
    servers: tuple[PlannedServer, ...] = (),
    notices: tuple[str, ...] = (),
    problems: Sequence[Problem] = (),
    template: str = "",
) -> PipelinePlan:
    of_stack = stack_specs(pipeline)
    return PipelinePlan(
        name=pipeline.name,
        description=pipeline.description,
        voting=pipeline.voting,
        resources=preview.resources if preview else (),
        servers=servers,
        steps=tuple(_steps(pipeline, servers)),
        stack_specs=tuple(map(str, of_stack)),
        stack_spec_files=len({file for path in of_stack for file in spec_files(path, root)}),
        notices=notices,
        problems=tuple(problems),
        template=template,
    )


def _server(
    server: PreviewResource, name: str, pipeline: Pipeline, request: StackRequest, root: Path
) -> PlannedServer:
    metadata = server.properties.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    role = role_of(nova_name(server), metadata, pipeline.servers)
    specs = specs_for(role, pipeline)
    serverspecs = serverspec_for(role, pipeline)
    files = {
        *(file for path in specs for file in spec_files(path, root)),
        *(file for path in serverspecs for file in serverspec_files(path, root)),
    }
    return PlannedServer(
        name=name,
        path=server.path,
        role=role,
        user=user_of(role, pipeline.servers),
        image=str(server.properties.get("image") or ""),
        flavor=str(server.properties.get("flavor") or ""),
        networks=networks_of(server, request.template),
        specs=tuple(str(path) for path in (*specs, *serverspecs)),
        spec_files=len(files),
    )


def _steps(pipeline: Pipeline, servers: Sequence[PlannedServer]) -> Iterator[PlannedStep]:
    for step in pipeline.configure:
        concerned = [s.path for s in servers if not step.roles or s.role in step.roles]
        yield PlannedStep(name=step.title, servers=tuple(concerned))


def _role_problems(pipeline: Pipeline, servers: Sequence[PlannedServer]) -> Iterator[Problem]:
    file = str(pipeline.path)
    present = sorted({server.role for server in servers} - {""})
    if THE_STACK in present and stack_specs(pipeline):
        named = quoted([server.path for server in servers if server.role == THE_STACK], "and")
        yield Problem(
            file=file,
            key_path=f"specs.{THE_STACK}",
            message=f'tests the stack itself, but {named} has the role "{THE_STACK}": give the '
            "server's role another name",
        )
    for role, key_path in required_roles(pipeline).items():
        if role not in present:
            yield Problem(
                file=file,
                key_path=key_path,
                message=f'no server has the role "{role}"'
                + (f" (there are {quoted(present, 'and')})" if present else " (none has any)"),
                suggestion=near(role, present),
            )


def _notices(
    pipeline: Pipeline, preview: StackPreview, servers: Sequence[PlannedServer], cloud: str
) -> Iterator[str]:
    if cloud == LOCAL and servers and not can_filter():
        yield (
            "security groups are not enforced on the embedded cloud: this machine's kernel cannot "
            "filter bridged packets (`modprobe br_netfilter` may mend it)"
        )
    balancers = [each for each in preview.walk() if each.type == "OS::Octavia::LoadBalancer"]
    if cloud == LOCAL and balancers and (lack := missing_haproxy()):
        yield f"no load balancer can be made on this machine: it lacks {lack.what} ({lack.remedy})"
    if cloud == LOCAL:
        if any(resource.type == "OS::Cinder::Volume" for resource in preview.walk()) and (
            reason := no_volumes_reason()
        ):
            yield reason
        yield from fidelity_notices(preview)
    if not servers:
        tests = "" if stack_specs(pipeline) else ", and no spec tests it (`specs: {stack: …}` does)"
        yield (
            "the stack has no server: the run verifies that the stack can be created and deleted"
            + tests
        )
    yield from _equal_names(preview, servers)
    for server in servers:
        if not server.specs:
            yield f"no spec tests {server.path}: " + (
                f'its role "{server.role}" is in none of the pipeline\'s specs'
                if server.role
                else "it has no role, and the pipeline has no specs for all servers"
            )
    for role, definition in pipeline.servers.roles.items():
        if not any(server.role == role for server in servers):
            names = f" ({', '.join(definition.names)})" if definition.names else ""
            yield f'no server has the role "{role}"{names} of the pipeline\'s servers.roles'


def _equal_names(preview: StackPreview, servers: Sequence[PlannedServer]) -> Iterator[str]:
    """Warn of servers to which the template gives the same name: how reports call them."""
    called = {server.path: server.name for server in servers}
    by_name: dict[str, list[str]] = {}
    for server in servers_of(preview):
        by_name.setdefault(nova_name(server), []).append(server.path)
    for name, paths in by_name.items():
        if len(paths) > 1:
            yield (
                f'{len(paths)} servers have the name "{name}": logs and reports call them '
                f"{quoted([called[path] for path in paths], 'and')}, after their resources"
            )
