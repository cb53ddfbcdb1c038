"""Checks playbooks and specs in a sandbox, as this runs the commit's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from infraci.base.program import ProgramTimeoutError
from infraci.errors import InfraciError
from infraci.model.configure_steps import AnsibleStep
from infraci.model.fields import EVERY_SERVER, THE_STACK
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem
from infraci.model.secret import Secret
from infraci.plan.roles import specs_for, stack_specs
from infraci.sandbox.bubblewrap import NoSandboxError, no_sandbox_reason

#: Stands for a secret's value.
_SECRET = "hidden"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """The problems of playbooks and specs, and notices about them."""

    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()

    def besides(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """These problems, and the examination's own about other files."""
        files = {problem.file for problem in problems}
        return (*problems, *(p for p in self.problems if p.file not in files))


def examine(pipeline: Pipeline, root: Path, *, collect: bool = True) -> Examination:
    """Let Ansible read the playbooks, and with ``collect`` pytest collect the specs.

    Both run the commit's code, so they run in sandboxes, in parallel; without a sandbox a notice
    says that they were not checked. Raises InfraciError where Ansible is needed but missing.
    """
    playbooks = [step for step in pipeline.configure if isinstance(step, AnsibleStep)]
    specs = _groups(pipeline) if collect else {}
    parts = [partial(_playbook, step, root) for step in playbooks]
    parts += [partial(_specs, pipeline, specs, root)] if specs else []
    if parts and (reason := no_sandbox_reason()):
        what = [*(str(step.playbook) for step in playbooks), *(("the specs",) if specs else ())]
        verb = "is" if len(what) == 1 and playbooks else "are"
        return Examination(
            notices=(f"{', '.join(what)} {verb} not checked before the run: {reason}",)
        )
    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        done = [future.result() for future in [pool.submit(part) for part in parts]]
    return Examination(
        problems=tuple(dict.fromkeys(p for each in done for p in each.problems)),
        notices=tuple(dict.fromkeys(n for each in done for n in each.notices)),
    )


def _groups(pipeline: Pipeline) -> Mapping[str, tuple[PurePosixPath, ...]]:
    """The specs of servers of each role, and of the stack; "" is a server's without a role."""
    roles = ["" if role == EVERY_SERVER else role for role in pipeline.specs]
    groups = {role: specs_for(role, pipeline) for role in roles if role != THE_STACK}
    groups[THE_STACK] = stack_specs(pipeline)
    return {role: paths for role, paths in groups.items() if paths}


def _playbook(step: AnsibleStep, root: Path) -> Examination:
    from infraci.configure.playbook import check_playbook  # the room is heavy

    try:
        return Examination(problems=check_playbook(step, root))
    except (NoSandboxError, ProgramTimeoutError) as error:
        return _not_checked(str(step.playbook), error)


def _specs(
    pipeline: Pipeline, groups: Mapping[str, tuple[PurePosixPath, ...]], root: Path
) -> Examination:
    from infraci.verify.collection import CollectError, collect_specs

    # Nothing that is collected needs a secret, and none is to be found in what pytest says.
    values = pipeline.environment.items()
    environment = {n: _SECRET if isinstance(value, Secret) else value for n, value in values}
    try:
        problems, others = collect_specs(groups, root, environment)
    except (CollectError, NoSandboxError, ProgramTimeoutError) as error:
        return _not_checked("the specs", error)
    return Examination(problems=problems, notices=tuple(map(str, others)))


def _not_checked(what: str, error: InfraciError) -> Examination:
    return Examination(notices=(f"{what}: not checked before the run: {error.reason}",))
