"""One failing testcase on a line of commits, and what the evidence makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from infraci.blame.belief import Belief
from infraci.blame.evidence import Evidence, Seen, look
from infraci.blame.flakiness import Flakiness
from infraci.blame.prior import weights
from infraci.history import Case, Result

#: How many failures have no culprit (Henderson et al.).
NOBODY = 0.4
#: How probable it is that a failure is older than its suspects: where nothing is known of their
#: parent; where somebody says that it was good; and of what a merge brought in.
BEFORE = 0.3
BEFORE_GOOD = 0.05
#: How probable it is that the first failure was a flake, and a later commit broke it truly.
_LATER = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """That a run saw a testcase pass or fail."""

    position: int
    result: Result
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which of the commits up to ``last`` broke a testcase that fails from there on.

    Positions are those of the line. Where no pass is known, the suspects begin at ``begin``, by
    default where it was first seen to fail.
    """

    case: Case
    line: tuple[str, ...]  # the commits, the oldest first
    names: tuple[Case | None, ...]  # what each calls the testcase; None where it is not there
    touching: tuple[bool, ...]  # whether each changed what the testcase depends on
    last: int
    begin: int | None = None
    before: float = BEFORE
    is_rooted: bool = False  # whether nothing is before the line

    @cached_property
    def absent(self) -> int:
        """The last position where the testcase was not there yet; -1 if there is none."""
        return max((p for p in range(self.last) if self.names[p] is None), default=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is believed of a question, and why."""

    question: Question
    belief: Belief
    start: int  # the first suspect
    first_failed: int  # where it was seen to fail first, but for what searches have run
    sightings: tuple[Sighting, ...]  # all of them
    is_bounded: bool  # whether it is known to have passed, or not to have been there
    older: Flakiness

    @property
    def suspects(self) -> range:
        """Their positions."""
        return range(self.start, self.question.last + 1)

    @property
    def candidates(self) -> range:
        """The positions that a run could tell something at."""
        first = self.start if self.is_bounded else max(self.start - 1, 0)
        return range(first, self.question.last + 1)

    @property
    def key(self) -> object:
        """What makes two questions have one answer: they need not be asked twice."""
        seen = tuple((s.position, s.failed) for s in self.sightings)
        return self.start, self.first_failed, seen, self.question.touching[self.start :]


def view(question: Question, evidence: Evidence) -> View | None:
    """What the evidence says; None if the testcase was never seen to fail."""
    sightings = tuple(_sightings(question, evidence))
    bound = max(question.absent, _bound(question, evidence, sightings))
    trigger = _trigger(question, sightings, bound)
    if trigger is None:
        return None
    if bound >= 0:
        start = bound + 1
    else:
        start = question.begin if question.begin is not None else trigger.position
    start = min(start, question.last)
    before = 0.0 if bound >= 0 or (start == 0 and question.is_rooted) else question.before
    older = _flakiness(sightings, start) if bound >= 0 else Flakiness()
    belief = Belief(
        _prior(question, start, trigger.position),
        nobody=NOBODY,
        before=before,
        flakiness=older,
        start=start,
    )
    for sighting in sightings:
        # The failure that led here is why there is a question; the prior knows of it.
        if sighting is not trigger and (sighting.position >= start or bound < 0):
            belief.observe(sighting.position, failed=sighting.failed)
    return View(
        question=question,
        belief=belief,
        start=start,
        first_failed=trigger.position,
        sightings=sightings,
        is_bounded=bound >= 0,
        older=older,
    )


def _prior(question: Question, start: int, first_failed: int) -> tuple[float, ...]:
    """Of each suspect: those up to the first failure, and with little weight those after it."""
    end = min(max(first_failed, start), question.last) + 1
    later = question.touching[end : question.last + 1]
    return (
        *weights(question.touching[start:end]),
        *(_LATER * weight for weight in (weights(later) if later else ())),
    )


def _sightings(question: Question, evidence: Evidence) -> Iterator[Sighting]:
    for position, (sha, name) in enumerate(zip(question.line, question.names, strict=True)):
        for result in evidence.of(sha) if name is not None else ():
            seen = look(result, name) if name is not None else None
            if seen in (Seen.PASSED, Seen.FAILED):
                yield Sighting(position=position, result=result, failed=seen is Seen.FAILED)


def _bound(question: Question, evidence: Evidence, sightings: Sequence[Sighting]) -> int:
    """The last position before the failure where the testcase passed, or was not there.

    What a search has run is in doubt like all else, and only bounds where nothing else does.
    """
    passed = [s for s in sightings if not s.failed and s.position < question.last]
    bounds = [s.position for s in passed if not s.result.of_search]
    for position in range(question.last):
        name = question.names[position]
        if name is not None and any(
            look(result, name) is Seen.ABSENT for result in evidence.of(question.line[position])
        ):
            bounds.append(position)
    return max(bounds or [s.position for s in passed], default=-1)


def _trigger(question: Question, sightings: Sequence[Sighting], bound: int) -> Sighting | None:
    """The failure that led here: the first that nobody has searched for, else one at the end."""
    failed = [s for s in sightings if s.failed and s.position > bound]
    found = [s for s in failed if not s.result.of_search]
    return next(iter(found or [s for s in failed if s.position >= question.last]), None)


def _flakiness(sightings: Sequence[Sighting], start: int) -> Flakiness:
    """What was seen of it while it was healthy: up to the last pass before the suspects.

    Failures at one commit between two where it passed count as its flakes; those at several
    commits on end are taken for a culprit that was mended.
    """
    by_position: dict[int, list[Sighting]] = {}
    for sighting in sightings:
        if sighting.position < start:
            by_position.setdefault(sighting.position, []).append(sighting)
    groups = [by_position[position] for position in sorted(by_position)]
    healthy = [any(not s.failed for s in group) for group in groups]
    passed = failed = 0
    for number, group in enumerate(groups):
        alone = all(healthy[max(number - 1, 0) : number] + healthy[number + 1 : number + 2])
        if healthy[number] or (alone and number > 0):
            failures = sum(s.failed for s in group)
            failed, passed = failed + failures, passed + len(group) - failures
    return Flakiness(passed=passed, failed=failed)
