"""Decides which alerts are due, from a branch's commits in order and the saved alert state.

An alert reports that a pipeline begins to fail, or passes again, in the order of the branch's
commits and not of their builds, which end in any order. So a commit is handled only after those
before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infraci.alerts.alert import Alert, AlertKind
from infraci.base.atomic import SHARED, replace_file
from infraci.base.json_reader import read_json
from infraci.errors import InfraciError
from infraci.jenkins.results import CommitResult, PipelineResult
from infraci.model.run import Verdict


@dataclass(slots=True, kw_only=True)
class Memory:
    """The alert state of a branch, which :func:`go_through` updates."""

    handled: str = ""  # the last commit; empty: none yet
    well: list[str] = field(default_factory=list)  # pipelines that have passed
    broken: dict[str, str] = field(default_factory=dict)  # pipeline: the commit that began to fail
    untold: dict[str, list[str]] = field(default_factory=dict)  # pipeline: commits of no verdict


def go_through(
    branch: str, shas: Sequence[str], results: Mapping[str, CommitResult], memory: Memory
) -> Iterator[tuple[str, list[Alert]]]:
    """Handle commits, the oldest first; yields each with the alerts that are due.

    Ends at the first commit whose build has not ended. A commit without a build is skipped once a
    later one has a build. On a branch without state, only pipelines that fail at its end have an
    alert.
    """
    is_first = not memory.handled
    due: dict[str, Alert] = {}
    for number, sha in enumerate(shas):
        result = results[sha]
        later = any(results[other].builds for other in shas[number + 1 :])
        if result.is_building or not (result.builds or later):
            break
        alerts = [a for p in result.pipelines if (a := _apply(branch, sha, p, memory))]
        memory.handled = sha
        if not is_first:
            yield sha, alerts
            continue
        for alert in alerts:
            due[alert.result.pipeline] = alert
    if is_first and memory.handled:
        yield memory.handled, [a for a in due.values() if a.kind is AlertKind.FAILURE]


def _apply(branch: str, sha: str, result: PipelineResult, memory: Memory) -> Alert | None:
    """Update the state with a pipeline's result; returns the alert that is due, if any."""
    if not result.voting:
        return None
    name = result.pipeline
    if result.verdict is Verdict.PASSED:
        memory.well = sorted({*memory.well, name})
        memory.untold.pop(name, None)
        broken_by = memory.broken.pop(name, None)
        if broken_by is None:
            return None
        return Alert(
            kind=AlertKind.RECOVERY,
            branch=branch,
            sha=sha,
            result=result,
            suspects=(),
            broken_by=broken_by,
        )
    if result.verdict not in (Verdict.FAILED, Verdict.INVALID):
        memory.untold.setdefault(name, []).append(sha)
        return None
    suspects = (*memory.untold.pop(name, []), sha)
    if name in memory.broken:
        return None
    memory.broken[name] = sha
    return Alert(
        kind=AlertKind.FAILURE,
        branch=branch,
        sha=sha,
        result=result,
        suspects=suspects if name in memory.well else (),
    )


def load(path: Path) -> dict[str, Memory]:
    """Load the saved state, by branch."""
    try:
        data = read_json(path.read_bytes())
        return {branch: Memory(**known) for branch, known in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InfraciError(
            f"cannot read {path}: {error}",
            hint="delete it; alerts will be sent again",
        ) from error


def save(path: Path, memories: Mapping[str, Memory]) -> None:
    """Save the state, in one step."""
    text = json.dumps({b: asdict(m) for b, m in memories.items()}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, f"{text}\n", mode=SHARED)
    except OSError as error:
        raise InfraciError(f"cannot write {path}: {error.strerror}") from error
