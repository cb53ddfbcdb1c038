"""What is said of a failing testcase in the end: who broke it, or why nobody is blamed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infraci.blame.choice import information
from infraci.blame.question import Sighting, View
from infraci.history import Case
from infraci.model.run import Commit

#: Of the runs that prove something, so many are named.
_MOST_PROOF = 8
#: Of suspects, the most probable ones.
_MOST_SUSPECTS = 4


class Kind(StrEnum):
    """The answers, all of equal rank."""

    NEW = "new"  # a suspect broke it, and nobody had seen it fail before
    BEFORE = "before"  # it failed at an earlier commit already
    FLAKY = "flaky"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A run that was taken into account."""

    run: str
    sha: str
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a view comes to: commits by sha."""

    kind: Kind
    probability: float
    culprit: str | None = None
    since: str | None = None  # where it was seen to fail first, when it is older than that
    suspects: Mapping[str, float] | None = None  # the most probable of several
    failed: int = 0
    ran: int = 0  # how often it ran where it is healthy
    proof: tuple[Proof, ...] = ()
    runs_left: int = 0  # about so many more stacks would tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """A commit, with what of it matters to the testcase."""

    commit: Commit
    probability: float
    files: tuple[str, ...] = ()
    diff: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is found of one testcase of a pipeline, or of the pipeline as a whole."""

    pipeline: str
    head: Commit
    kind: Kind
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


def answer(seen: View, *, target: float) -> Answer:
    """The most probable answer, or that none is probable enough."""
    belief, question = seen.belief, seen.question
    line = question.line
    chances = dict(zip(seen.suspects, belief.probabilities, strict=True))
    best = max(chances, key=lambda position: chances[position])
    failed, ran = _measured(seen)
    if belief.nobody >= target:
        proof = _proof(seen, [s.position for s in seen.sightings])
        return Answer(
            kind=Kind.FLAKY, probability=belief.nobody, failed=failed, ran=ran, proof=proof
        )
    if belief.before >= target:
        earliest = min(s.position for s in seen.sightings if s.failed)
        return Answer(
            kind=Kind.BEFORE,
            probability=belief.before,
            since=line[earliest],
            proof=_proof(seen, [earliest, seen.start]),
        )
    if chances[best] >= target:
        return Answer(
            kind=Kind.BEFORE if seen.first_failed < len(line) - 1 else Kind.NEW,
            probability=chances[best],
            culprit=line[best],
            proof=_proof(seen, [best, best - 1]),
        )
    likely = sorted(chances, key=lambda position: -chances[position])[:_MOST_SUSPECTS]
    return Answer(
        kind=Kind.UNKNOWN,
        probability=belief.certainty,
        suspects={line[p]: chances[p] for p in likely if chances[p] >= 0.01},
        failed=failed,
        ran=ran,
        proof=_proof(seen, [best, best - 1]),
        runs_left=_runs_left(seen),
    )


def _measured(seen: View) -> tuple[int, int]:
    """How often it failed, of how many runs, if nobody broke it."""
    inside = [s for s in seen.sightings if s.position >= seen.start or not seen.is_bounded]
    older = seen.older
    return (
        older.failed + sum(s.failed for s in inside),
        older.failed + older.passed + len(inside),
    )


def _proof(seen: View, around: Sequence[int]) -> tuple[Proof, ...]:
    """The runs nearest to some positions."""

    def distance(sighting: Sighting) -> int:
        return min(abs(sighting.position - position) for position in around)

    nearest = sorted(seen.sightings, key=distance)[:_MOST_PROOF]
    return tuple(
        Proof(run=s.result.run, sha=seen.question.line[s.position], failed=s.failed)
        for s in sorted(nearest, key=lambda s: s.position)
    )


def _runs_left(seen: View) -> int:
    """About how many stacks would tell: the bits that are missing, by those that the best tells."""
    belief = seen.belief
    shares = [belief.before, *belief.probabilities, belief.nobody]
    missing = -sum(share * math.log2(share) for share in shares if share > 0)
    position = max(seen.candidates, key=lambda p: information(belief.broken_at([p]), belief.rate))
    told = information(belief.broken_at([position]), belief.rate)
    return max(1, math.ceil(missing / told)) if told > 1e-6 else 1
