"""The question which commit of a line broke a testcase, and the view of it that results give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from infraci.blame.belief import CHANGES, Belief
from infraci.blame.flakiness import DOUBTFUL, UNSEEN, Flakiness
from infraci.blame.observations import Evidence, Known, Seen, look
from infraci.blame.prior import (
    AGE_SEARCHED,
    AGE_TESTED,
    Weight,
    older_share,
    recency,
    weights,
)
from infraci.history import Case, Result

#: How probable it is that a failure is older than its suspects if the user says that the commit
#: before them was good, or they are the branch of a merge.
BEFORE_GOOD = 0.05
#: So many failures after the passes are taken for a change of the world.
_REPRODUCED = 3
#: How probable it is that the first failure was a flake, and a later commit is the culprit.
_LATER = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The observation that a run made of a testcase at a commit."""

    position: int
    known: Known
    seen: Seen
    without: int | None = None  # the suspect whose change the commit that was run did not have

    @property
    def failed(self) -> bool:
        """Whether it failed."""
        return self.seen is Seen.FAILED

    @property
    def result(self) -> Result:
        """The result of the run."""
        return self.known.result


@dataclass(frozen=True, kw_only=True)
class Question:
    """Asks which of the commits up to ``last`` broke a testcase.

    Positions are indices of ``line``. If no pass is known, the suspects begin at ``begin``, by
    default with the line, and later commits are more suspicious.
    """

    case: Case
    line: tuple[str, ...]  # the commits, the oldest first
    trees: tuple[str, ...]
    names: tuple[Case | None, ...]  # of the testcase at each commit; None where it is missing
    changed: tuple[Weight, ...]  # what each changed that concerns the testcase
    last: int
    begin: int | None = None
    is_rooted: bool = False  # the line begins with the first commit of all
    is_doubted: bool = False  # it failed with the message of a mirror that does not answer
    share: float = UNSEEN  # of flaky testcases in its pipeline
    #: By commit, the head of the line without that commit.
    reverts: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The first suspect if no pass is known. A commit whose parent is missing is no suspect."""
        if self.begin is not None:
            return self.begin
        return 0 if self.is_rooted else 1

    @cached_property
    def absent(self) -> int:
        """The last position without the testcase; -1 if there is none."""
        return max((p for p in range(self.last) if self.names[p] is None), default=-1)

    @cached_property
    def alike(self) -> Mapping[int, tuple[int, ...]]:
        """For each position all positions with the same tree, in order."""
        by_tree: dict[str, list[int]] = {}
        for position, tree in enumerate(self.trees):
            if self.names[position] is not None:
                by_tree.setdefault(tree, []).append(position)
        return {p: tuple(positions) for positions in by_tree.values() for p in positions}

    def using(self, begin: int, end: int) -> tuple[int, ...]:
        """The positions from ``begin`` up to ``end`` that changed files of the testcase."""
        return tuple(p for p in range(begin, end) if self.changed[p] is Weight.USED)

    def look(self, position: int, result: Result) -> Seen | None:
        """What a run of the commit at a position observed of the testcase."""
        name = self.names[position]
        return look(result, name, is_doubted=self.is_doubted) if name is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the world: all runs up to a time passed, and all later ones failed."""

    last_pass: Sighting  # at a commit that failed since, if there is one
    failures: int
    is_at_one: bool  # one commit passed before, and failed since

    @property
    def is_reproduced(self) -> bool:
        """Whether it was observed often enough, and at one commit."""
        return self.failures >= _REPRODUCED and self.is_at_one


@dataclass(frozen=True, kw_only=True)
class View:
    """The sightings of a question, and the belief that follows from them."""

    question: Question
    start: int  # the first suspect
    trigger: Sighting  # the failure that led to the question
    sightings: tuple[Sighting, ...]  # all of them, in the order of the runs
    is_bounded: bool  # an earlier commit has passed, or did not have the testcase
    is_lonely: bool  # no commit before the first suspect can be run
    healthy: tuple[bool, ...]  # results before the suspects and the trigger (True: failed)

    @property
    def first_failed(self) -> int:
        """The first position that failed in a run that is no search's."""
        return self.trigger.position

    @property
    def is_open_ended(self) -> bool:
        """Whether every commit of the line is a suspect, the latest ones the most."""
        return not self.is_bounded and self.question.begin is None

    @property
    def suspects(self) -> range:
        """The positions of the suspects."""
        return range(self.start, self.question.last + 1)

    @cached_property
    def candidates(self) -> tuple[int, ...]:
        """The positions where a run gives information; of neighbours with one tree, the first."""
        first = self.start if self.is_lonely else self.start - 1
        trees = self.question.trees
        return tuple(
            position
            for position in range(first, self.question.last + 1)
            if position == first or trees[position] != trees[position - 1]
        )

    @property
    def key(self) -> object:
        """Equal for questions that have the same answer, of which one is searched."""
        seen = tuple((s.position, s.seen, s.known.order, s.without) for s in self.sightings)
        changed = self.question.changed[self.start :]
        return self.start, self.is_lonely, seen, changed, self.question.is_doubted

    @cached_property
    def change(self) -> Change | None:
        """The change of the world that would explain the runs; None if none does."""
        runs = self.runs
        passes = [s for s in runs if not s.failed]
        since = runs[len(passes) :]
        if not passes or not since or any(s.failed for s in runs[: len(passes)]):
            return None
        positions = {s.position for s in since}
        there = [s for s in passes if s.position in positions]
        return Change(last_pass=(there or passes)[-1], failures=len(since), is_at_one=bool(there))

    def again(self, target: float) -> int | None:
        """The position to run next regardless of the belief; None if there is none.

        A testcase that a mirror may have made fail runs again first. One that no commit broke is
        flaky, or the world has changed: a commit that passed before tells these apart.
        """
        head = self.question.alike[self.question.last]
        if self.question.is_doubted:
            seen = [s for s in self.sightings if s.position in head and s.without is None]
            return self.question.last if len(seen) < 2 else None
        if self.belief.no_culprit >= target:
            change = self.change
            is_clear = change is None or change.is_reproduced
            return None if is_clear or change is None else change.last_pass.position
        if self.belief.is_settled(target):
            return None if self.belief.before >= target else self.unproven
        return None if self.belief.is_flaky else self.mended

    @cached_property
    def unproven(self) -> int | None:
        """A commit that may have mended the fault, so that a later commit broke the testcase again.

        None if fewer than two commits since the culprit changed files that the testcase uses, or a
        run between them excludes it.
        """
        later = self.question.using(self.belief.leader + 1, self.question.last + 1)
        if len(later) < 2 or any(later[0] <= s.position < later[1] for s in self.runs):
            return None
        return later[0]

    @cached_property
    def mended(self) -> int | None:
        """A commit that passed once though older ones failed: it may have mended the fault."""
        mends = _mends(self.question, self.sightings)
        return max(
            (p for p, count in mends.items() if count == 1 and p >= self.start), default=None
        )

    @cached_property
    def runs(self) -> tuple[Sighting, ...]:
        """The runs of commits of the line that have the testcase, in their order."""
        return tuple(s for s in self.sightings if s.seen is not Seen.ABSENT and s.without is None)

    @cached_property
    def older(self) -> Flakiness:
        """Its flakiness while it was healthy; that says nothing about failures of a mirror."""
        if self.question.is_doubted:
            return Flakiness.of(self.healthy[-1:], share=DOUBTFUL)
        return Flakiness.of(self.healthy, share=self.question.share)

    @cached_property
    def belief(self) -> Belief:
        """The belief that follows from the sightings."""
        has_passed = any(s.seen is Seen.PASSED for s in self.sightings)
        belief = Belief(
            self._prior(),
            before=self._before(),
            changes=CHANGES if has_passed else 0.0,
            flakiness=self.older,
            start=self.start,
            is_lonely=self.is_lonely,
            is_doubted=self.question.is_doubted,
        )
        for sighting in self.observed:
            if sighting.seen is Seen.ABSENT:
                belief.observe_absence(sighting.position)
            else:
                belief.observe(
                    sighting.position,
                    failed=sighting.failed,
                    is_alone=sighting.known.is_alone,
                    without=sighting.without,
                )
        return belief

    @property
    def observed(self) -> Iterator[Sighting]:
        """The sightings that update the belief: of suspects, or later than the trigger.

        Commits before the suspects that only failed are left out: their fault was mended.
        """
        passed = {s.position for s in self.sightings if not s.failed}
        for sighting in self.sightings:
            is_new = sighting.known.order >= self.trigger.known.order
            is_relevant = is_new and sighting.position in passed
            if is_relevant or sighting.position >= self.start or not self.is_bounded:
                yield sighting

    def _prior(self) -> tuple[float, ...]:
        """The weight of each suspect; those after the trigger have little."""
        changed = self.question.changed
        end = max(self.trigger.position, self.start) + 1
        chances = weights(changed[self.start : end])
        if self.is_open_ended:
            recent = [
                chance * recency(end - 1 - position, self._age)
                for position, chance in enumerate(chances, self.start)
            ]
            chances = tuple(chance / sum(recent) for chance in recent)
        later = changed[end : self.question.last + 1]
        return (*chances, *(_LATER * chance for chance in (weights(later) if later else ())))

    def _before(self) -> float:
        if self.is_bounded or (self.start == 0 and self.question.is_rooted):
            return 0.0
        if self.question.begin is not None:
            return BEFORE_GOOD
        return older_share(max(self.trigger.position - self.start, 0) + 1, self._age)

    @property
    def _age(self) -> float:
        return AGE_SEARCHED if self.trigger.result.of_search else AGE_TESTED


def view(question: Question, evidence: Evidence) -> View | None:
    """The view of a question that the evidence gives; None if no run has failed."""
    observed = tuple(_sightings(question, evidence))
    passed = _passed(question, observed)
    absent = max(question.absent, _absent(question, observed))
    bound = max(passed, absent)
    sightings = tuple(sorted(_placed(question, observed, bound), key=lambda s: s.known.order))
    trigger = _trigger(question, sightings, bound)
    if trigger is None:
        return None
    start = min(bound + 1 if bound >= 0 else question.first, question.last)
    older = [s for s in sightings if s.known.order < trigger.known.order and s.position < start]
    return View(
        question=question,
        start=start,
        trigger=trigger,
        sightings=sightings,
        is_bounded=bound >= 0,
        is_lonely=start == 0 or (bound >= 0 and absent >= passed),
        healthy=healthy_results(older) if bound >= 0 else (),
    )


def _sightings(question: Question, evidence: Evidence) -> Iterator[Sighting]:
    for position, sha in enumerate(question.line):
        for known in evidence.known(sha) if question.names[position] is not None else ():
            if (seen := question.look(position, known.result)) is not None:
                yield Sighting(position=position, known=known, seen=seen)
    for sha, head in question.reverts.items():
        suspect = question.line.index(sha) if sha in question.line else None
        for known in evidence.known(head) if suspect is not None else ():
            seen = question.look(len(question.line) - 1, known.result)
            if seen in (Seen.PASSED, Seen.FAILED):
                yield Sighting(
                    position=len(question.line) - 1, known=known, seen=seen, without=suspect
                )


def _placed(question: Question, sightings: Sequence[Sighting], bound: int) -> Iterator[Sighting]:
    """Move each sighting to the commit of the same tree where it gives most information.

    A pass moves to the last of them, a failure to the first after all passes: a fault that was
    mended and came back is searched where it came back.
    """
    passes = (
        question.alike[s.position][-1]
        for s in sightings
        if s.seen is Seen.PASSED and s.without is None
    )
    mended = max((p for p in passes if p < question.last), default=-1)
    for sighting in sightings:
        alike = question.alike[sighting.position]
        if sighting.without is not None or sighting.seen is Seen.ABSENT:
            yield sighting
        elif sighting.failed:
            first = next((p for p in alike if p > max(bound, mended)), alike[-1])
            yield replace(sighting, position=first)
        else:
            yield replace(sighting, position=alike[-1])


def _passed(question: Question, sightings: Sequence[Sighting]) -> int:
    """The last position before the failure where the testcase passed; -1 if none is known.

    A pass of a search's run is no bound, unless two of them show that older failures were mended.
    """
    positions = [
        question.alike[s.position][-1]
        for s in sightings
        if s.seen is Seen.PASSED and s.without is None and not s.result.of_search
    ]
    positions += [p for p, count in _mends(question, sightings).items() if count > 1]
    return max((p for p in positions if p < question.last), default=-1)


def _mends(question: Question, sightings: Sequence[Sighting]) -> Mapping[int, int]:
    """The positions that only passed, after one that only failed, with their number of passes.

    A commit between the two changed files that the testcase uses.
    """
    runs = [s for s in sightings if s.seen is not Seen.ABSENT and s.without is None]
    passes = Counter(question.alike[s.position][-1] for s in runs if not s.failed)
    failures = {question.alike[s.position][0] for s in runs if s.failed}
    failures -= {question.alike[p][0] for p in passes}
    return {
        p: count
        for p, count in passes.items()
        if p < question.last
        and question.alike[p][0] not in failures
        and any(q < p and question.using(q + 1, p + 1) for q in failures)
    }


def _absent(question: Question, sightings: Sequence[Sighting]) -> int:
    """The last position where a run did not have the testcase; -1 if none is known."""
    positions = (s.position for s in sightings if s.seen is Seen.ABSENT)
    return max((p for p in positions if p < question.last), default=-1)


def _trigger(question: Question, sightings: Sequence[Sighting], bound: int) -> Sighting | None:
    """The failure that led to the question: at the first commit that failed in no search's run.

    If only runs of searches have failed, it is one at the end of the line.
    """
    failed = [s for s in sightings if s.failed and s.position > bound and s.without is None]
    ordinary = [s for s in failed if not s.result.of_search]
    if ordinary:
        return min(ordinary, key=lambda s: s.position)
    end = question.alike[question.last][0]
    return next((s for s in failed if s.position >= end), None)


def healthy_results(sightings: Sequence[Sighting]) -> tuple[bool, ...]:
    """The results of a testcase while it was healthy, in the order of the runs (True: it failed).

    Failures at one commit between two where it passed count as flakes; failures at several
    consecutive commits are taken for a fault that was mended.
    """
    by_position: dict[int, list[Sighting]] = {}
    for sighting in sightings:
        if sighting.seen is not Seen.ABSENT:
            by_position.setdefault(sighting.position, []).append(sighting)
    groups = [by_position[position] for position in sorted(by_position)]
    passes = [any(not s.failed for s in group) for group in groups]
    healthy = [
        group
        for number, group in enumerate(groups)
        if passes[number]
        or (0 < number < len(groups) - 1 and passes[number - 1] and passes[number + 1])
    ]
    seen = sorted((s for group in healthy for s in group), key=lambda s: s.known.order)
    return tuple(s.failed for s in seen)
