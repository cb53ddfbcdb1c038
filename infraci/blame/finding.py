"""The answer for a failing testcase: the commit that broke it, or why no commit is blamed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from infraci.blame.next_commits import bits_of
from infraci.blame.observations import Seen
from infraci.blame.question import Sighting, View
from infraci.history import Case
from infraci.model.run import Commit

#: The most runs that an answer names as proof.
_MOST_PROOF = 8
#: The most suspects that an answer names.
_MOST_SUSPECTS = 4


class FindingKind(StrEnum):
    """The answers, all of equal rank."""

    NEW = "new"  # a suspect broke it, and no earlier run had failed
    BEFORE = "before"  # it failed at an earlier commit already
    FLAKY = "flaky"
    WORLD = "world"  # commits that passed earlier fail now
    OUTSIDE = "outside"  # a mirror, a registry or a name server did not answer
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A run that the answer rests on."""

    run: str
    sha: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a view; commits are shas."""

    kind: FindingKind
    probability: float
    culprit: str | None = None
    since: str | None = None  # the first commit that failed, if an older one broke it
    suspects: Mapping[str, float] | None = None  # the most probable of several
    failed: int = 0
    ran: int = 0  # how often it ran at healthy commits
    proof: tuple[Proof, ...] = ()
    runs_left: int = 0  # about so many more stacks are needed to know
    revert: bool | None = None  # whether the head without the culprit passes; None: not run
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """A culprit or suspect, with the files and the diff that matter to the testcase."""

    commit: Commit
    probability: float
    files: tuple[str, ...] = ()
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer for one testcase of a pipeline, or for the pipeline as a whole."""

    pipeline: str
    head: Commit
    kind: FindingKind
    case: Case | None = None
    probability: float = 1.0
    culprit: Culprit | None = None
    since: Commit | None = None
    suspects: tuple[Culprit, ...] = ()
    failed: int = 0
    ran: int = 0
    why: str = ""
    runs_left: int = 0
    time_left_s: float = 0.0
    proof: tuple[Proof, ...] = ()
    skipped: Mapping[str, str] | None = None  # commits that could not be tested, and why
    again: str = ""  # the command that repeats it
    cloud: str = ""  # that the results are of
    revert: bool | None = None  # whether the head without the culprit passes; None: not run
    note: str = ""  # a remark: the specs were not run


def answer(seen: View, *, target: float) -> Answer:
    """The most probable answer; UNKNOWN if none is probable enough."""
    belief = seen.belief
    best = belief.leader
    chance = belief.probabilities[best - seen.start]
    if belief.no_culprit >= target:
        return _no_culprit(seen)
    if belief.before >= target:
        return _before(seen)
    if not belief.is_settled(target):
        return _unknown(seen)
    reverts = [s.failed for s in seen.sightings if s.without == best]
    return Answer(
        kind=FindingKind.BEFORE
        if seen.first_failed < len(seen.question.line) - 1
        else FindingKind.NEW,
        probability=chance,
        culprit=seen.question.line[best],
        proof=_proof(seen, [best, best - 1]),
        revert=not reverts[-1] if reverts else None,
    )


def _no_culprit(seen: View) -> Answer:
    """The answer that no commit is to blame: the testcase is flaky, or something else changed."""
    failed, ran = _measured(seen)
    flaky = Answer(
        kind=FindingKind.FLAKY,
        probability=seen.belief.no_culprit,
        failed=failed,
        ran=ran,
        proof=_proof(seen, [s.position for s in seen.sightings]),
    )
    if seen.question.is_doubted:
        return replace(flaky, kind=FindingKind.OUTSIDE, why=_why_outside(seen))
    if seen.change is not None and seen.change.is_reproduced:
        return replace(flaky, kind=FindingKind.WORLD, why=_until(seen, seen.change.last_pass))
    return flaky


def _why_outside(seen: View) -> str:
    last = len(seen.question.line) - 1
    if any(s.position == last and s.seen is Seen.PASSED for s in seen.sightings):
        return "it passes when run again"
    return "commits fail that passed before"


def _until(seen: View, passed: Sighting) -> str:
    when = datetime.fromtimestamp(passed.result.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"it passed at {seen.question.line[passed.position][:10]} on {when}, and fails there now"


def _before(seen: View) -> Answer:
    """A commit older than the suspects broke it."""
    earliest = min(s.position for s in seen.sightings if s.failed)
    return Answer(
        kind=FindingKind.BEFORE,
        probability=seen.belief.before,
        since=seen.question.line[earliest],
        proof=_proof(seen, [earliest, seen.start]),
    )


def _unknown(seen: View) -> Answer:
    belief, line = seen.belief, seen.question.line
    chances = dict(zip(seen.suspects, belief.probabilities, strict=True))
    likely = sorted(chances, key=lambda position: -chances[position])[:_MOST_SUSPECTS]
    failed, ran = _measured(seen)
    return Answer(
        kind=FindingKind.UNKNOWN,
        probability=belief.certainty,
        suspects={line[p]: chances[p] for p in likely if chances[p] >= 0.01},
        failed=failed,
        ran=ran,
        proof=_proof(seen, [belief.leader, belief.leader - 1]),
        runs_left=_runs_left(seen),
    )


def _measured(seen: View) -> tuple[int, int]:
    """How often it failed, of how many runs, if no commit broke it."""
    results = [*seen.healthy, *(s.failed for s in seen.observed if s.seen is not Seen.ABSENT)]
    return sum(results), len(results)


def _proof(seen: View, around: Sequence[int]) -> tuple[Proof, ...]:
    """The runs nearest to some positions, in the order of their commits."""

    def distance(sighting: Sighting) -> int:
        return min(abs(sighting.position - position) for position in around)

    nearest = sorted(seen.runs, key=distance)[:_MOST_PROOF]
    return tuple(
        Proof(run=s.result.run, sha=seen.question.line[s.position], failed=s.failed)
        for s in sorted(nearest, key=lambda s: s.position)
    )


def _runs_left(seen: View) -> int:
    """About how many stacks are needed to know: the missing bits, by those that the best run gives.

    A culprit that only has to be confirmed needs the runs for that.
    """
    belief = seen.belief
    shares = [belief.before, *belief.probabilities, belief.no_culprit]
    missing = -sum(share * math.log2(share) for share in shares if share > 0)
    gained = max(bits_of(belief, seen.candidates), default=0.0)
    runs = math.ceil(missing / gained) if gained > 1e-6 else 0
    return max(1, runs, belief.steps_left(belief.leader))
