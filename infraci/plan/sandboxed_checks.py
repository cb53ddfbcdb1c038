"""Playbooks and specs: to judge them runs code of the commit, so that a sandbox is around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from infraci.base.program import ProgramTimeoutError
from infraci.errors import InfraciError
from infraci.model.configure_steps import AnsibleStep
from infraci.model.fields import EVERY_SERVER
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem
from infraci.model.secret import Secret
from infraci.plan.roles import specs_for
from infraci.sandbox.bubblewrap import NoSandboxError, no_sandbox_reason

#: In the place of a secret.
_SECRET = "hidden"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is wrong with playbooks and specs, and what is only told."""

    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()

    def besides(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """These problems, and those of files that they do not tell of."""
        files = {problem.file for problem in problems}
        return (*problems, *(p for p in self.problems if p.file not in files))


def examine(pipeline: Pipeline, root: Path, *, collect: bool = True) -> Examination:
    """Have Ansible read the playbooks, and with ``collect`` pytest collect the specs.

    Both run the commit's code, so that they run in a sandbox, side by side; without one a notice
    says that they are left out. Raises InfraciError where Ansible is needed and not there.
    """
    playbooks = [step for step in pipeline.configure if isinstance(step, AnsibleStep)]
    specs = _groups(pipeline) if collect else {}
    parts = [partial(_playbook, step, root) for step in playbooks]
    parts += [partial(_specs, pipeline, specs, root)] if specs else []
    if parts and (trouble := no_sandbox_reason()):
        what = [*(str(step.playbook) for step in playbooks), *(("the specs",) if specs else ())]
        verb = "is" if len(what) == 1 and playbooks else "are"
        return Examination(
            notices=(f"{', '.join(what)} {verb} not judged before the run: {trouble}",)
        )
    with ThreadPoolExecutor(max_workers=max(1, len(parts))) as pool:
        done = [future.result() for future in [pool.submit(part) for part in parts]]
    return Examination(
        problems=tuple(dict.fromkeys(p for each in done for p in each.problems)),
        notices=tuple(dict.fromkeys(n for each in done for n in each.notices)),
    )


def _groups(pipeline: Pipeline) -> Mapping[str, tuple[PurePosixPath, ...]]:
    """The specs of servers of each role; those of a server without one are under ""."""
    roles = ["" if role == EVERY_SERVER else role for role in pipeline.specs]
    groups = {role: specs_for(role, pipeline) for role in roles}
    return {role: paths for role, paths in groups.items() if paths}


def _playbook(step: AnsibleStep, root: Path) -> Examination:
    from infraci.configure.playbook import check_playbook  # the room is heavy

    try:
        return Examination(problems=check_playbook(step, root))
    except (NoSandboxError, ProgramTimeoutError) as error:
        return _not_judged(str(step.playbook), error)


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
        return _not_judged("the specs", error)
    return Examination(problems=problems, notices=tuple(map(str, others)))


def _not_judged(what: str, error: InfraciError) -> Examination:
    return Examination(notices=(f"{what}: not judged before the run: {error.reason}",))
