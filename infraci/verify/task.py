"""What the specs' interpreter is asked to do, and the words in which it answers.

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
from infraci.model.run import Bastion, ErrorKind, Outcome, Phase, Server, Testcase

#: The keys of answers; each answer has one of them.
COLLECTED = "collected"  # the checks to come, as testcases that have not run
STARTED = "started"  # a check's nodeid
TESTCASE = "testcase"
FINISHED = "finished"  # pytest's exit status
BROKEN = "broken"  # pytest's own trouble, as text
EXITED = "exited"  # the process's wait status; the last answer
#: What may be sent to it meanwhile.
KILL = "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The specs of one server."""

    server: Server
    root: Path  # the commit's tree, where pytest runs
    paths: tuple[str, ...]  # relative to it
    run_folder: RunFolder
    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict)  # the pipeline's

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, line: str) -> Task:
        """What :meth:`to_json` wrote."""
        found = json.loads(line)
        return cls(
            server=server_from_json(found["server"]),
            root=Path(found["root"]),
            paths=tuple(found["paths"]),
            run_folder=RunFolder(Path(found["run_folder"]["path"])),
            timeout_s=found["timeout_s"],
            environment=found["environment"],
        )


def server_from_json(found: Mapping[str, Any]) -> Server:
    """What ``dataclasses.asdict`` made of a server."""
    bastion = found["bastion"] and _bastion(found["bastion"])
    return Server(**{**found, "host_keys": tuple(found["host_keys"]), "bastion": bastion})


def _bastion(found: Mapping[str, Any]) -> Bastion:
    way = found["bastion"] and _bastion(found["bastion"])
    return Bastion(**{**found, "host_keys": tuple(found["host_keys"]), "bastion": way})


def testcase_to_json(testcase: Testcase) -> Mapping[str, Any]:
    """A mapping of plain values."""
    found = dataclasses.asdict(testcase)
    found["file"] = None if testcase.file is None else str(testcase.file)
    return found


def testcase_from_json(found: Mapping[str, Any]) -> Testcase:
    """What :func:`testcase_to_json` made."""
    file, kind = found["file"], found["kind"]
    return Testcase(
        **{
            **found,
            "outcome": Outcome(found["outcome"]),
            "phase": Phase(found["phase"]),
            "file": None if file is None else PurePosixPath(file),
            "kind": None if kind is None else ErrorKind(kind),
        }
    )
