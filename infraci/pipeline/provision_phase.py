"""The provision phase: from a request for Heat to servers that can be logged in to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import MappingProxyType

from infraci.base.deadline import Deadline
from infraci.base.mask import SHORTEST
from infraci.base.trust import is_untrusted
from infraci.configure.step import output_text
from infraci.diagnosis.phase_testcase import failed_testcase, phase_testcase
from infraci.errors import DefinitionError, InfraciError, InterruptedRunError, UsageError
from infraci.heat import RefusedError, StackFailedError
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError, Problem, RefusedTemplateError, in_order, quoted
from infraci.model.project import HostKeySource
from infraci.model.run import Phase, Server
from infraci.pipeline.run import Run
from infraci.pipeline.server_logins import assign, log_in_to_all
from infraci.plan import (
    LfsPointerError,
    PipelinePlan,
    check_files,
    check_untrusted,
    lfs_pointers,
    login_notices,
)
from infraci.plan.refusal import place_refusal, refused_resource
from infraci.plan.roles import required_roles
from infraci.ssh import write_ssh_config
from infraci.templates import (
    StackRequest,
    save_request,
    secrets_of,
    with_host_key,
    with_key_pair,
)
from infraci.verify.stack_view import Stack, StackResource

#: The testcase of the stack as a whole.
_STACK = "stack"


def provision(run: Run, request: StackRequest) -> None:
    """Stand the stack up, and wait until each server can be logged in to."""
    with run.state.phase(Phase.PROVISION, run.state.pipeline.timeouts.provision_s) as deadline:
        run.state.save(replace(run.state.record, cloud_at=run.drivers.cloud.where))
        _make_key(run)
        # While Heat works, the interpreter for the specs gets ready.
        run.warm_specs()
        request = with_keys(run, request)
        with stack_testcases(run, Phase.PROVISION, request):
            run.drivers.prepare(request)
            stack_id = _create(run, request, deadline)
            run.drivers.cloud.wait(stack_id, deadline=deadline, on_event=run.drivers.progress.event)
        take_servers(run, stack_id, deadline)


def plan(run: Run) -> StackRequest:
    """Read what Heat will be sent; raises FileError with all that is wrong in the tree.

    Raises LfsPointerError where the clone lacks the content of a file.
    """
    if pointers := lfs_pointers(run.state.pipeline, run.state.tree):
        raise LfsPointerError(pointers)
    try:
        return _read(run)
    except FileError as error:
        planned = _plan_again(run)
        problems = in_order((*error.problems, *planned.problems))
        if problems == error.problems:
            raise
        if planned.is_refused:
            raise _refused(problems, run) from error
        raise FileError(problems, hint=error.hint, category=error.category) from error


def _plan_again(run: Run) -> PipelinePlan:
    """All that is wrong with the commit, Heat's refusals too; nothing if the plan fails."""
    with suppress(InfraciError):  # the error that is known already is reported instead
        return run.drivers.plan(run.state.pipeline, run.state.tree, run.state.version.load)
    return PipelinePlan(name=run.state.pipeline.name)


def _read(run: Run) -> StackRequest:
    """The request for Heat; raises FileError."""
    examination = run.drivers.examine(run.state.pipeline, run.state.tree)
    problems = examination.besides(check_files(run.state.pipeline, run.state.tree))
    if is_untrusted():
        problems += tuple(check_untrusted(run.state.pipeline, run.state.site))
    if problems:
        raise FileError(problems)
    run.state.hide_secrets_of_pipeline()
    for notice in examination.notices:
        run.drivers.progress.note(run.state.masker.mask(notice))
    request = run.state.version.load()
    run.state.hide(secrets_of(request))
    if short := run.state.masker.too_short:
        secrets = "secret is" if short == 1 else "secrets are"
        run.drivers.progress.note(
            f"{short} {secrets} shorter than {SHORTEST} characters: logs and reports show them"
        )
    for notice in (*map(str, request.notices), *login_notices(request, run.state.pipeline)):
        run.drivers.progress.note(run.state.masker.mask(notice))
    _store(run, request)
    return request


def _store(run: Run, request: StackRequest) -> None:
    """Write what Heat is sent to the run's folder; an upgrade's base has files of its own."""
    folder, round_ = run.folder, run.state.round
    try:
        save_request(
            request,
            template=folder.template(round_),
            environment_file=folder.environment(round_),
            files=folder.template_files(round_),
            mask=run.state.masker.mask,
        )
    except OSError as error:
        raise InfraciError(
            f"cannot write the template of run {run.state.record.id}: {error.strerror or error}"
        ) from error


def with_keys(run: Run, request: StackRequest) -> StackRequest:
    """The request with the run's key pair in it, and host keys where the project injects them."""
    request = with_key_pair(
        request, run.state.pipeline.stack.key_parameter, run.state.record.stack_name
    )
    if run.state.site.host_keys is not HostKeySource.INJECTED:
        return request
    key = run.key(run.folder.host_key)
    private = key.private_path.read_text()
    run.state.hide([private])
    request, left_out = with_host_key(request, private=private, public=key.public)
    for resource, reason in left_out.items():
        run.drivers.progress.note(
            f"no host key can be injected into {resource}: {reason}; its console has to show one"
        )
    return request


def take_servers(
    run: Run, stack_id: str, deadline: Deadline, *, renewed: Collection[str] = ()
) -> None:
    """Read the stack's outputs and servers, and wait until each of these can be logged in to.

    Servers that were logged in to before keep their host keys, and their sessions but for those
    of ``renewed`` (by Nova's ids), which may have been rebuilt.
    """
    outputs = run.drivers.cloud.outputs(stack_id)
    _keep_outputs(run, outputs)
    known = {server.id: server for server in run.state.record.servers}
    nova_servers = run.drivers.cloud.servers(stack_id)
    servers = tuple(
        replace(server, host_keys=known[server.id].host_keys) if server.id in known else server
        for server in assign(nova_servers, run.state.pipeline, run.state.site.access)
    )
    for before in run.state.record.servers:
        if before.id in renewed or not any(_is_alike(server, before) for server in servers):
            run.sessions.drop(before)
    run.state.save(replace(run.state.record, servers=servers))
    check_roles(servers, run.state.pipeline)
    ready = log_in_to_all(run, servers, deadline)  # adds to the record as well
    run.state.save(replace(run.state.record, servers=ready))
    write_ssh_config(run.folder, run.state.record.servers)
    _write_stack(run, stack_id, outputs)


def _write_stack(run: Run, stack_id: str, outputs: Mapping[str, object]) -> None:
    """Write what specs read of the stack, so that they need no cloud."""
    record = run.state.record
    resources = {
        resource.path: StackResource(
            type=resource.type, status=resource.status, physical_id=resource.physical_id
        )
        for resource in run.drivers.cloud.resources(stack_id)
    }
    stack = Stack(
        run=record.id,
        pipeline=record.pipeline,
        cloud=record.cloud,
        name=record.stack_name,
        id=stack_id,
        outputs={
            n: run.state.masker.mask_value(v, as_text=output_text) for n, v in outputs.items()
        },
        resources=resources,
        servers=record.servers,
        clouds_yaml=run.drivers.cloud.clouds_yaml,
    )
    try:
        stack.write(run.folder)
    except OSError as error:
        raise InfraciError(
            f"cannot write the stack of run {record.id}: {error.strerror or error}"
        ) from error


def _is_alike(server: Server, before: Server) -> bool:
    """Whether a session from before is still one with this server, as the same user."""
    return (server.id, server.name, server.user, server.address, server.port) == (
        before.id, before.name, before.user, before.address, before.port
    )  # fmt: skip


def read_outputs(run: Run) -> Mapping[str, object]:
    """The stack's outputs as Heat has them; the record keeps them as text, without secrets."""
    if run.state.outputs is None:
        outputs = run.drivers.cloud.outputs(
            run.state.record.stack_id or run.state.record.stack_name
        )
        return _keep_outputs(run, outputs)
    return run.state.outputs


def _keep_outputs(run: Run, outputs: Mapping[str, object]) -> Mapping[str, object]:
    run.state.outputs = dict(outputs)
    run.state.save(
        replace(
            run.state.record,
            outputs={n: run.state.masker.mask(output_text(v)) for n, v in outputs.items()},
        )
    )
    return run.state.outputs


def check_roles(servers: Sequence[Server], pipeline: Pipeline) -> None:
    """Raise DefinitionError for roles that no server has: nothing would be checked."""
    present = {server.role for server in servers}
    required = required_roles(pipeline)
    absent = sorted(set(required) - present)
    if absent:
        have = quoted(sorted(filter(None, present)), "and") or "none"
        raise DefinitionError(
            f"cannot verify pipeline {pipeline.name}: no server has the role "
            f"{quoted(absent)} of its {required[absent[0]]}; the servers' roles are {have}",
            hint=f'a role comes from the Nova metadata "{pipeline.servers.role_metadata}" of a '
            "server, or from servers: roles: in the pipeline",
        )


def _make_key(run: Run) -> None:
    """The run's own key pair, on disk and, under the stack's name, in the cloud."""
    public = run.key(run.folder.login_key).public
    with run.interrupts.deferred():
        run.drivers.cloud.create_keypair(run.state.record.stack_name, public)


def _create(run: Run, request: StackRequest, deadline: Deadline) -> str:
    if (existing := _existing_stack(run, deadline)) is not None:
        return existing
    # A stack that is created, but not in the record, would have to be searched for.
    with run.interrupts.deferred():
        stack_id = run.drivers.cloud.create_stack(
            request,
            name=run.state.record.stack_name,
            tags=run.state.record.tags,
            timeout_s=deadline.remaining_s,
        )
        run.state.save(replace(run.state.record, stack_id=stack_id))
    return stack_id


@contextmanager
def stack_testcases(run: Run, phase: Phase, request: StackRequest) -> Iterator[None]:
    """Add testcases of the stack: one for each resource that failed, or one for all of it.

    What Heat refuses is a :class:`RefusedTemplateError`, which says where it stands.
    """
    began = run.drivers.clock()

    def add(name: str, error: InfraciError, message: str = "") -> None:
        took_s = run.drivers.clock() - began
        testcase = failed_testcase(phase, name, error, run.state.masker, duration_s=took_s)
        if message:
            testcase = replace(testcase, message=run.state.masker.mask(message))
        run.state.add_testcases([testcase])

    try:
        with _placing_refusals(run, request):
            yield
    except RefusedTemplateError as error:
        for name, sentences in _sentences(error, request).items():
            add(name, error, "; ".join(sentences))
        raise
    except StackFailedError as error:
        for failure in error.failures:
            add(f"resource {failure.name}", failure)
        if not error.failures:
            add(_STACK, error)
        raise
    except InterruptedRunError:
        raise
    except InfraciError as error:
        add(_STACK, error)
        raise
    took_s = run.drivers.clock() - began
    run.state.add_testcases([phase_testcase(phase, _STACK, duration_s=took_s)])


def _sentences(error: RefusedTemplateError, request: StackRequest) -> Mapping[str, list[str]]:
    """What is refused, by testcase; a resource is the subject of its sentences."""
    sentences: dict[str, list[str]] = {}
    for problem in error.problems:
        resource = error.resources.get(problem, "")
        entry = request.template.get("resources", {}).get(resource)
        kind = f" ({entry['type']})" if entry else ""
        meant = f'; did you mean "{problem.suggestion}"?' if problem.suggestion else ""
        subject = f"{resource}{kind}: {problem.message}{meant}" if resource else str(problem)
        sentences.setdefault(f"resource {resource}" if resource else _STACK, []).append(subject)
    return sentences


@contextmanager
def _placing_refusals(run: Run, request: StackRequest) -> Iterator[None]:
    """Raise what Heat refuses with its position in the files, and all that it would refuse next."""
    try:
        yield
    except RefusedError as error:
        problem = place_refusal(
            error.reason,
            template=run.state.pipeline.stack.template,
            root=run.state.tree,
            property_names=run.drivers.cloud.updatable,
            names=run.drivers.cloud.names,
            cloud=run.drivers.cloud.name,
            request=request,
        )
        if problem.file.startswith("-P "):
            meant = f'did you mean "{problem.suggestion}"?' if problem.suggestion else None
            raise UsageError(f"cannot use {problem.file}: {problem.message}", hint=meant) from error
        others = _plan_again(run).problems
        # The plan's request has neither the run's key pair nor its host keys: it may say it so.
        is_known = any(_place(other) == _place(problem) for other in others)
        first = {} if is_known else {problem: refused_resource(error.reason, problem)}
        raise _refused((*first, *others), run, first, category=error.category) from error


def _place(problem: Problem) -> tuple[str, int | None, str]:
    return problem.file, problem.line, problem.key_path


def _refused(
    problems: Iterable[Problem],
    run: Run,
    resources: Mapping[Problem, str] = MappingProxyType({}),
    *,
    category: str = "template",
) -> RefusedTemplateError:
    """The error of these problems, with the resources that they are of."""
    problems = in_order(problems)
    template = str(run.state.pipeline.stack.template)
    named = {p: refused_resource("", p) for p in problems if p.file == template}
    return RefusedTemplateError(problems, resources={**named, **resources}, category=category)


def _existing_stack(run: Run, deadline: Deadline) -> str | None:
    """The stack of a run that is resumed; one that failed is removed first."""
    if run.state.record.stack_id is None:
        return None
    stack = run.drivers.cloud.find_stack(run.state.record.stack_id)
    if stack is None:
        return None
    if stack.status in ("CREATE_COMPLETE", "CREATE_IN_PROGRESS"):
        return stack.id
    run.drivers.progress.note(f"removing stack {stack.name} ({stack.status})")
    run.drivers.cloud.delete_stack(stack.id, deadline=deadline, on_event=run.drivers.progress.event)
    return None
