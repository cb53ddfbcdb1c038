"""Checks that an untrusted commit's pipeline asks for nothing that only maintainers may decide."""

from __future__ import annotations

from collections.abc import Iterator

from infraci.model.configure_steps import AnsibleStep
from infraci.model.pipeline import Pipeline
from infraci.model.problem import Problem
from infraci.model.project import CloudDefinition
from infraci.model.secret import Secret


def check_untrusted(pipeline: Pipeline, site: CloudDefinition) -> Iterator[Problem]:
    """Secrets of this machine, files of other hosts, and keys of this machine."""
    file = str(pipeline.path)
    for key_path in _secrets(pipeline):
        yield Problem(file=file, key_path=key_path, message="no secret is for untrusted commits")
    if pipeline.stack.allow_remote:
        yield Problem(
            file=file,
            key_path="stack.allow_remote",
            message="infraci fetches nothing that an untrusted commit names",
        )
    if site.access.bastion is not None:
        yield Problem(
            file="infraci.yaml",
            key_path="clouds.access.bastion.key",
            message="no key of this machine is for untrusted commits",
        )


def _secrets(pipeline: Pipeline) -> Iterator[str]:
    for name, value in pipeline.environment.items():
        if isinstance(value, Secret):
            yield f"environment.{name}"
    for number, step in enumerate(pipeline.configure):
        kind = step.title.partition(" ")[0]
        for name, value in getattr(step, "environment", {}).items():
            if isinstance(value, Secret):
                yield f"configure[{number}].{kind}.environment.{name}"
        if isinstance(step, AnsibleStep) and step.vault_password is not None:
            yield f"configure[{number}].{kind}.vault_password"
