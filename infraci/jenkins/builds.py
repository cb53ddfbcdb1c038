"""Builds, stages and queue items of Jenkins as frozen values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infraci.errors import ExitCode

_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A build that waits for an agent."""

    job: str
    id: int  # of the item in the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of a build."""

    name: str
    status: str  # IN_PROGRESS, SUCCESS, UNSTABLE, FAILED, ABORTED, NOT_EXECUTED …
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of a job."""

    job: str
    number: int
    url: str
    commit: str  # the full sha; empty until the build knows it
    is_building: bool
    result: str | None  # SUCCESS, UNSTABLE, FAILURE, ABORTED, NOT_BUILT; None until it has ended
    queue_id: int
    began: float  # seconds since the epoch
    duration_s: float
    artifacts: tuple[str, ...]  # paths of archived files

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that waits for the build."""
        return _EXIT_CODES.get(self.result or "", ExitCode.UNTESTABLE)


_EXIT_CODES: Mapping[str, ExitCode] = {
    "SUCCESS": ExitCode.PASSED,
    "UNSTABLE": ExitCode.FAILED,
    "ABORTED": ExitCode.INTERRUPTED,
}


def build_of(job: str, data: Mapping[str, Any]) -> Build:
    """Make a build from the data of its ``/api/python``.

    Its commit is in its description once it has checked it out, and in its parameters before.
    """
    parameters = {
        parameter["name"]: parameter.get("value")
        for action in data.get("actions") or ()
        for parameter in (action or {}).get("parameters") or ()
    }
    candidates = (data.get("description"), parameters.get("COMMIT"))
    return Build(
        job=job,
        number=int(data["number"]),
        url=str(data["url"]),
        commit=next((sha for sha in candidates if isinstance(sha, str) and _SHA.match(sha)), ""),
        is_building=bool(data["building"]),
        result=data.get("result"),
        queue_id=int(data.get("queueId") or -1),
        began=float(data.get("timestamp") or 0) / 1000,
        duration_s=float(data.get("duration") or 0) / 1000,
        artifacts=tuple(artifact["relativePath"] for artifact in data.get("artifacts") or ()),
    )


def stage_of(data: Mapping[str, Any]) -> Stage:
    """Make a stage from the data of ``wfapi/describe``."""
    return Stage(
        name=str(data["name"]),
        status=str(data["status"]),
        duration_s=float(data.get("durationMillis") or 0) / 1000,
    )
