"""What failed software deployments printed: their servers signal it to Heat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from infraci.base.lines import last_lines
from infraci.diagnosis.reason import find_reason, plain_lines
from infraci.errors import CloudError
from infraci.heat.objects import Resource
from infraci.heat.openstack_connection import Connection

_TYPES = frozenset({"OS::Heat::SoftwareDeployment", "OS::Heat::StructuredDeployment"})
#: The most deployments that are read; a group has one for each of its servers.
_READ = 10
_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentOutput:
    """What a deployment printed."""

    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def reason(self) -> str:
        """The line that tells why it failed; empty if it printed none."""
        reasons = (find_reason(plain_lines(text)) for text in (self.stderr, self.stdout))
        return next((reason.text for reason in reasons if reason), "")

    @property
    def report(self) -> str:
        """The ends of both."""
        parts = (("stdout", self.stdout), ("stderr", self.stderr))
        return "\n".join(
            f"the end of its {name}:\n{end}" for name, text in parts if (end := _end(text))
        )


def read_outputs(
    connection: Connection, failed: Iterable[Resource]
) -> Mapping[str, DeploymentOutput]:
    """The outputs of failed deployments, by their ids; none where the cloud does not answer."""
    outputs = {}
    deployments = [r.physical_id for r in failed if r.type in _TYPES and r.physical_id]
    with suppress(CloudError):
        for id_ in deployments[:_READ]:
            outputs[id_] = _read(connection, id_)
    return outputs


def _read(connection: Connection, id_: str) -> DeploymentOutput:
    answer = connection.ask(
        f"read deployment {id_}", "orchestration", "GET", f"/software_deployments/{id_}"
    )
    values = answer["software_deployment"].get("output_values") or {}
    return DeploymentOutput(
        stdout=str(values.get("deploy_stdout") or ""), stderr=str(values.get("deploy_stderr") or "")
    )


def _end(text: str) -> str:
    return last_lines(text, _LINES)
