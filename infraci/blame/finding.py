"""What is said of a failing testcase in the end: who broke it, or why nobody is blamed."""

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

#: Of the runs that prove something, so many are named.
_MOST_PROOF = 8
#: Of suspects, the most probable ones.
_MOST_SUSPECTS = 4


class FindingKind(StrEnum):
    """The answers, all of equal rank."""

    NEW = "new"  # a suspect broke it, and nobody had seen it fail before
    BEFORE = "before"  # it failed at an earlier commit already
    FLAKY = "flaky"
    WORLD = "world"  # what passed earlier fails now, at the same commits
    OUTSIDE = "outside"  # a mirror, a registry or a name server did not answer
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

    kind: FindingKind
    probability: float
    culprit: str | None = None
    since: str | None = None  # where it was seen to fail first, when it is older than that
    suspects: Mapping[str, float] | None = None  # the most probable of several
    failed: int = 0
    ran: int = 0  # how often it ran where it is healthy
    proof: tuple[Proof, ...] = ()
    runs_left: int = 0  # about so many more stacks would tell
    revert: bool | None = None  # whether the head without the culprit passes; None: not run
    why: str = ""


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
    cloud: str = ""  # on which it is so
    revert: bool | None = None  # whether the head without the culprit passes; None: not run
    note: str = ""  # what else is to be known: the specs that were not run


def answer(seen: View, *, target: float) -> Answer:
    """The most probable answer, or that none is probable enough."""
    belief = seen.belief
    best = belief.leader
    chance = belief.probabilities[best - seen.start]
    if belief.nobody >= target:
        return _nobody(seen)
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


def _nobody(seen: View) -> Answer:
    """It is flaky, or the world has changed, or a mirror did not answer for a while."""
    failed, ran = _measured(seen)
    found = Answer(
        kind=FindingKind.FLAKY,
        probability=seen.belief.nobody,
        failed=failed,
        ran=ran,
        proof=_proof(seen, [s.position for s in seen.sightings]),
    )
    if seen.question.is_doubted:
        return replace(found, kind=FindingKind.OUTSIDE, why=_why_outside(seen))
    if seen.change is not None and seen.change.is_reproduced:
        return replace(found, kind=FindingKind.WORLD, why=_until(seen, seen.change.last_pass))
    return found


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
    """How often it failed, of how many runs, if nobody broke it."""
    results = [*seen.healthy, *(s.failed for s in seen.observed if s.seen is not Seen.ABSENT)]
    return sum(results), len(results)


def _proof(seen: View, around: Sequence[int]) -> tuple[Proof, ...]:
    """The runs nearest to some positions, in the order of their commits."""

    def distance(sighting: Sighting) -> int:
        return min(abs(sighting.position - position) for position in around)

    told = [s for s in seen.sightings if s.seen is not Seen.ABSENT and s.without is None]
    nearest = sorted(told, key=distance)[:_MOST_PROOF]
    return tuple(
        Proof(run=s.result.run, sha=seen.question.line[s.position], failed=s.failed)
        for s in sorted(nearest, key=lambda s: s.position)
    )


def _runs_left(seen: View) -> int:
    """About how many stacks would tell: the bits that are missing, by those that the best tells.

    Where a culprit is only to be confirmed, it is the runs for that.
    """
    belief = seen.belief
    shares = [belief.before, *belief.probabilities, belief.nobody]
    missing = -sum(share * math.log2(share) for share in shares if share > 0)
    told = max(bits_of(belief, seen.candidates), default=0.0)
    bits = math.ceil(missing / told) if told > 1e-6 else 0
    return max(1, bits, belief.steps_left(belief.leader))
