"""The protocol of the fork server: the task that it is sent, and the keys of its answers.

Both travel as JSON, one object a line.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from infraci.ledger.run_folder import RunFolder
from infraci.model.fields import THE_STACK
from infraci.model.run import Bastion, ErrorKind, Outcome, Phase, Server, Testcase

#: The keys of answers; each answer has one of them.
COLLECTED = "collected"  # the checks to come, as testcases that have not run
STARTED = "started"  # a check's nodeid
TESTCASE = "testcase"
FINISHED = "finished"  # pytest's exit status
BROKEN = "broken"  # an internal error of pytest's, as text
EXITED = "exited"  # the process's wait status; the last answer
#: What may be sent to it meanwhile.
KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The specs of one server, or of the stack itself."""

    server: Server | None  # None for the stack
    root: Path  # the commit's tree, where pytest runs
    paths: tuple[str, ...]  # relative to it
    run_folder: RunFolder
    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict)  # the pipeline's

    @property
    def subject(self) -> str:
        """What the specs test, for messages."""
        return self.server.name if self.server else "the stack"

    @property
    def server_name(self) -> str:
        """The server that its testcases are of; empty for the stack."""
        return self.server.name if self.server else ""

    @property
    def role(self) -> str:
        """The role that its testcases are of."""
        return self.server.role if self.server else THE_STACK

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> Task:
        """What :meth:`to_json` wrote."""
        fields = json.loads(line)
        return cls(
            server=fields["server"] and server_from_json(fields["server"]),
            root=Path(fields["root"]),
            paths=tuple(fields["paths"]),
            run_folder=RunFolder(Path(fields["run_folder"]["path"])),
            timeout_s=fields["timeout_s"],
            environment=fields["environment"],
        )


def server_from_json(fields: Mapping[str, Any]) -> Server:
    """What ``dataclasses.asdict`` made of a server."""
    bastion = fields["bastion"] and _bastion(fields["bastion"])
    return Server(**{**fields, "host_keys": tuple(fields["host_keys"]), "bastion": bastion})


def _bastion(fields: Mapping[str, Any]) -> Bastion:
    next_bastion = fields["bastion"] and _bastion(fields["bastion"])
    return Bastion(**{**fields, "host_keys": tuple(fields["host_keys"]), "bastion": next_bastion})


def testcase_to_json(testcase: Testcase) -> Mapping[str, Any]:
    """A mapping of plain values."""
    fields = dataclasses.asdict(testcase)
    fields["file"] = None if testcase.file is None else str(testcase.file)
    return fields


def testcase_from_json(fields: Mapping[str, Any]) -> Testcase:
    """What :func:`testcase_to_json` made."""
    file, kind = fields["file"], fields["kind"]
    return Testcase(
        **{
            **fields,
            "outcome": Outcome(fields["outcome"]),
            "phase": Phase(fields["phase"]),
            "file": None if file is None else PurePosixPath(file),
            "kind": None if kind is None else ErrorKind(kind),
        }
    )
