"""One pipeline's plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from infraci.heat import LOCAL, PreviewResource, RefusedError, StackPreview
from infraci.heat.stacks import Request
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError, Problem, near, quoted
from infraci.names import distinct_names
from infraci.plan.examine import Examination
from infraci.plan.files import judge_files, serverspec_files, spec_files
from infraci.plan.lfs import ADVICE, lfs_pointers
from infraci.plan.logins import login_notices
from infraci.plan.refusal import place_refusal
from infraci.plan.roles import role_of, serverspec_for, specs_for, user_of, wanted_roles
from infraci.plan.stack import networks_of, nova_name, servers_of
from infraci.plan.values import PipelinePlan, PlannedServer, PlannedStep
from infraci.templates import (
    StackRequest,
    show_template,
    template_parameters,
    with_key_pair,
)

_UNENFORCED = ("OS::Neutron::SecurityGroup", "OS::Neutron::SecurityGroupRule")


class Planner(Protocol):
    """What a plan asks of a cloud; see :class:`infraci.heat.Cloud`."""

    @property
    def name(self) -> str: ...  # noqa: D102

    def preview(self, request: Request, *, name: str) -> StackPreview: ...  # noqa: D102

    def names(self, kind: str) -> Sequence[str]: ...  # noqa: D102

    def updatable(self, resource_type: str) -> Mapping[str, bool]: ...  # noqa: D102

    def create_keypair(self, name: str, public_key: str) -> None: ...  # noqa: D102

    def delete_keypair(self, name: str) -> None: ...  # noqa: D102


def plan_pipeline(
    pipeline: Pipeline,
    *,
    root: Path,
    cloud: Planner,
    load: Callable[[], StackRequest],
    public_key: Callable[[], str],
    name: str,
    with_template: bool = False,
    examine: Callable[[Pipeline, Path], Examination] = lambda pipeline, root: Examination(),
) -> PipelinePlan:
    """Ask Heat what it would make, and say what would run where. Problems are in the plan.

    Meanwhile ``examine`` judges playbooks and specs; see :func:`infraci.plan.examine`.

    ``name`` is the stack's: two plans can be compared if it is the same. The template's key pair,
    which Heat wants to see, is there only for the question.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(examine, pipeline, root)
        plan = _planned(pipeline, root, cloud, load, public_key, name, with_template)
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
    public_key: Callable[[], str],
    name: str,
    with_template: bool,
) -> PipelinePlan:
    """The plan, but for what only a sandbox can judge."""
    problems = [
        *judge_files(pipeline, root),
        *(
            Problem(file=str(file), message=f"is an LFS pointer, not the content: {ADVICE}")
            for file in lfs_pointers(pipeline, root)
        ),
    ]
    template = ""
    try:
        request = loaded = load()
        template = show_template(request) if with_template else ""
        preview, request = _ask(pipeline, request, cloud, name, public_key)
    except FileError as error:
        problems += error.problems
        return _plan(pipeline, problems=problems, template=template)
    except RefusedError as error:
        file = pipeline.stack.template
        problem = place_refusal(
            error.reason,
            template=file,
            root=root,
            property_names=cloud.updatable,
            names=cloud.names,
            made=request.template,
        )
        plan = _plan(pipeline, problems=[*problems, problem], template=template)
        return replace(plan, is_refused=True)
    found = servers_of(preview)
    names = distinct_names([nova_name(server) for server in found], [s.path for s in found])
    servers = tuple(
        _server(server, name, pipeline, request, root)
        for server, name in zip(found, names, strict=True)
    )
    return _plan(
        pipeline,
        preview=preview,
        servers=servers,
        notices=(
            *_notices(pipeline, preview, servers, cloud.name),
            *login_notices(loaded, pipeline),
        ),
        problems=[*problems, *_role_problems(pipeline, servers)],
        template=template,
    )


def _ask(
    pipeline: Pipeline,
    request: StackRequest,
    cloud: Planner,
    name: str,
    public_key: Callable[[], str],
) -> tuple[StackPreview, StackRequest]:
    parameter = pipeline.stack.key_parameter
    keyed = with_key_pair(request, parameter, name)
    if keyed is request or parameter not in template_parameters(request):
        return cloud.preview(request, name=name), request
    cloud.create_keypair(name, public_key())
    try:
        return cloud.preview(keyed, name=name), keyed
    finally:
        cloud.delete_keypair(name)


def _plan(
    pipeline: Pipeline,
    *,
    preview: StackPreview | None = None,
    servers: tuple[PlannedServer, ...] = (),
    notices: tuple[str, ...] = (),
    problems: Sequence[Problem] = (),
    template: str = "",
) -> PipelinePlan:
    return PipelinePlan(
        name=pipeline.name,
        description=pipeline.description,
        voting=pipeline.voting,
        resources=preview.resources if preview else (),
        servers=servers,
        steps=tuple(_steps(pipeline, servers)),
        notices=notices,
        problems=tuple(problems),
        template=template,
    )


def _server(
    server: PreviewResource, name: str, pipeline: Pipeline, request: StackRequest, root: Path
) -> PlannedServer:
    said = server.properties.get("metadata")
    metadata = said if isinstance(said, dict) else {}
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
    if not servers:
        yield Problem(
            file=str(pipeline.stack.template),
            message="holds no OS::Nova::Server, so that there is nothing to verify",
        )
        return
    present = sorted({server.role for server in servers} - {""})
    for role, key_path in wanted_roles(pipeline).items():
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
    if cloud == LOCAL and any(resource.type in _UNENFORCED for resource in preview.walk()):
        yield "security group rules are not enforced on the embedded cloud"
    yield from _equal_names(preview, servers)
    for server in servers:
        if not server.specs:
            role = f'its role "{server.role}"' if server.role else "no role"
            yield f"no spec judges {server.path}: {role} is in none of the pipeline's specs"
    for role, definition in pipeline.servers.roles.items():
        if not any(server.role == role for server in servers):
            said = f" ({', '.join(definition.names)})" if definition.names else ""
            yield f'no server has the role "{role}"{said} of the pipeline\'s servers.roles'


def _equal_names(preview: StackPreview, servers: Sequence[PlannedServer]) -> Iterator[str]:
    """Tell what servers are called that the template gives one name."""
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
