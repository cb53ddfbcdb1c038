"""Which alerts are due: a branch's commits are gone through in order, and remembered.

What counts is a pipeline's change from well to not well and back, in the order of the branch's
commits and not of their builds, which end as they like. So a commit is looked at only when those
before it have been.
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
    """What is known of a branch; changed as its commits are gone through."""

    handled: str = ""  # the last commit that was looked at; empty: none yet
    well: list[str] = field(default_factory=list)  # pipelines that have been well
    broken: dict[str, str] = field(default_factory=dict)  # pipeline: since which commit
    untold: dict[str, list[str]] = field(default_factory=dict)  # pipeline: commits of no verdict


def go_through(
    branch: str, shas: Sequence[str], results: Mapping[str, CommitResult], memory: Memory
) -> Iterator[tuple[str, list[Alert]]]:
    """Each commit that can be judged, the oldest first, and the alerts that are due with it.

    Ends at the first one whose build has not ended. A commit without a build is passed over once
    a later one has some. Of a branch that is looked at for the first time, only what is broken at
    its end is told.
    """
    is_first = not memory.handled
    due: dict[str, Alert] = {}
    for number, sha in enumerate(shas):
        result = results[sha]
        later = any(results[other].builds for other in shas[number + 1 :])
        if result.is_building or not (result.builds or later):
            break
        alerts = [a for p in result.pipelines if (a := _judge(branch, sha, p, memory))]
        memory.handled = sha
        if not is_first:
            yield sha, alerts
            continue
        for alert in alerts:
            due[alert.result.pipeline] = alert
    if is_first and memory.handled:
        yield memory.handled, [a for a in due.values() if a.kind is AlertKind.FAILURE]


def _judge(branch: str, sha: str, result: PipelineResult, memory: Memory) -> Alert | None:
    """What a commit's result changes; a pipeline that does not vote, or knows nothing: nothing."""
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
    """What was remembered, by branch."""
    try:
        data = read_json(path.read_bytes())
        return {branch: Memory(**known) for branch, known in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InfraciError(
            f"cannot read {path}: {error}", hint="delete it: what is broken will be told again"
        ) from error


def save(path: Path, memories: Mapping[str, Memory]) -> None:
    """Remember, in one step."""
    text = json.dumps({b: asdict(m) for b, m in memories.items()}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, f"{text}\n", mode=SHARED)
    except OSError as error:
        raise InfraciError(f"cannot write {path}: {error.strerror}") from error
