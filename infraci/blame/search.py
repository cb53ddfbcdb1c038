"""Tests commits until every question of a line is answered, or the budget is spent."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from infraci.blame.next_commits import choose
from infraci.blame.observations import Evidence, Seen
from infraci.blame.question import Question, View, view
from infraci.history import Result
from infraci.model.run import Phase, Verdict

#: A commit that so many consecutive runs could not test is given up.
MOST_TRIES = 3
#: So many stacks the first commit of all gets at most for a testcase that passes at none.
_MOST_AT_FIRST = 2
#: So probable has a culprit to be for a run of the head without it.
_PROBABLE = 0.5
#: The most commits of a long line that are compared.
_MOST_CANDIDATES = 64

#: Makes the head without a commit; returns its sha, or None if that does not revert cleanly.
Revert = Callable[[str], str | None]
#: Tests commits, all at once; returns the result of each run, or None if there is none.
StandUp = Callable[[Sequence[str]], Sequence[Result | None]]


@dataclass
class Budget:
    """How many stacks a command's searches may stand up, and for how long."""

    runs: int
    time_s: float | None = None
    at_once: int = 1
    clock: Callable[[], float] = time.monotonic
    spent: int = 0
    _began: float | None = None
    _longest_s: float = 0.0

    def over(self) -> str:
        """Why no further stack may be stood up; empty while one may."""
        if self.runs == 0:
            return "no stack may be stood up for it"
        if self.spent >= self.runs:
            return f"the budget of {self.runs} stack{'' if self.runs == 1 else 's'} is spent"
        if self.time_s is not None and self._began is not None:
            left = self.time_s - (self.clock() - self._began)
            if left < self._longest_s:
                return "the time is over"
        return ""

    @property
    def next(self) -> int:
        """How many stacks may be stood up now, at once."""
        return min(self.at_once, self.runs - self.spent)

    def spend(self, shas: Sequence[str], stand_up: StandUp) -> Sequence[Result | None]:
        """Test commits, and count their stacks and time."""
        began = self.clock()
        self._began = began if self._began is None else self._began
        self.spent += len(shas)
        try:
            results = stand_up(shas)
        finally:
            self._longest_s = max(self._longest_s, self.clock() - began)
        # A plan that fails costs no stack.
        self.spent -= sum(r is not None and _is_free(r) for r in results)
        return results


def _is_free(result: Result) -> bool:
    return result.stopped_at is Phase.PLAN or (
        result.verdict is Verdict.INVALID and not result.cases
    )


@dataclass(kw_only=True)
class Search:
    """Searches one line of commits; ``go`` tests commits until its questions are answered."""

    evidence: Evidence
    stand_up: StandUp
    budget: Budget
    target: float
    revert: Revert | None = None
    rng: random.Random = field(default_factory=random.Random)
    #: Commits that cannot be tested, and why.
    untestable: dict[str, str] = field(default_factory=dict)
    #: By commit, the head without it that was tested.
    reverts: dict[str, str] = field(default_factory=dict)
    _cannot_revert: set[str] = field(default_factory=set)
    _tries: Counter[str] = field(default_factory=Counter)
    #: How often this search has stood a commit up, and learnt something.
    _conclusive_runs: Counter[str] = field(default_factory=Counter)

    def go(self, questions: Sequence[Question]) -> str:
        """Test commits until all questions are answered; returns why it stopped earlier, if so."""
        self._know_untestable(questions)
        self._know_reverts(questions)
        while open_ := self._open(questions):
            if over := self.budget.over():
                return over
            positions = self._choose(open_)
            if not positions:
                return "no commit that can be tested would tell more"
            if len(positions) > 1 or not self._is_reverted(open_, positions[0], questions):
                self.run([open_[0].question.line[p] for p in positions], questions)
        return ""

    def run(self, shas: Sequence[str], questions: Sequence[Question]) -> None:
        """Test commits, and add their results to the evidence."""
        for sha, result in zip(shas, self.budget.spend(shas, self.stand_up), strict=True):
            if result is not None:
                self.evidence.add(sha, result, is_alone=len(shas) == 1)
            if result is not None and _tells(result, sha, questions):
                self._tries[sha] = 0
                self._conclusive_runs[sha] += 1
            else:
                self._tries[sha] += 1
                invalid = result is not None and result.verdict is Verdict.INVALID
                if invalid or self._tries[sha] >= MOST_TRIES:
                    self.untestable[sha] = why_untestable(result)

    def _open(self, questions: Iterable[Question]) -> list[View]:
        """The questions without an answer; of those with equal keys, one."""
        views = [view(question, self.evidence) for question in questions]
        unlike = {seen.key: seen for seen in views if seen is not None}
        return [seen for seen in unlike.values() if not self._is_settled(seen)]

    def _is_settled(self, seen: View) -> bool:
        return seen.belief.is_settled(self.target) and self._again(seen) is None

    def _choose(self, views: Sequence[View]) -> tuple[int, ...]:
        line = views[0].question.line
        candidates = {position for seen in views for position in _candidates(seen)}
        testable = sorted(
            p
            for p in candidates
            if line[p] not in self.untestable and any(self._may_tell(seen, p) for seen in views)
        )
        for seen in views:
            position = self._again(seen)
            if position is not None:
                return (position,)
        beliefs = [seen.belief for seen in views if not seen.belief.is_settled(self.target)]
        chosen = choose(beliefs, testable, count=self.budget.next, rng=self.rng)
        for seen in views:  # a culprit is confirmed after the commits that may have mended it
            if chosen == (seen.belief.leader,) and seen.unproven in testable:
                return (seen.unproven,)
        return chosen

    def _may_tell(self, seen: View, position: int) -> bool:
        """Whether a run of a commit can tell anything of a testcase.

        While it passes nowhere, only commits older than all that failed can: repeating a failure
        does not tell which commit made it. The very first commit has none before it, and gets a
        second stack.
        """
        question = seen.question
        failed = [s.position for s in seen.sightings if s.seen is Seen.FAILED]
        is_bounded = any(s.seen is not Seen.FAILED for s in seen.sightings)
        if is_bounded or question.absent >= 0 or position < min(failed, default=position + 1):
            return True
        sha = question.line[position]
        return position == 0 and question.is_rooted and self._conclusive_runs[sha] < _MOST_AT_FIRST

    def _again(self, seen: View) -> int | None:
        """The position that has to run again, if its commit can be tested."""
        position = seen.again(self.target)
        if position is None or seen.question.line[position] in self.untestable:
            return None
        return position

    def _is_reverted(
        self, views: Sequence[View], position: int, questions: Sequence[Question]
    ) -> bool:
        """Run the head without a culprit in place of a commit before it, if that is possible.

        That proves more than another pass of a commit that has passed.
        """
        for seen in views:
            culprit, line = seen.belief.leader, seen.question.line
            sha = line[culprit]
            if not _stands_in(seen, position) or sha in self._cannot_revert:
                continue
            self._cannot_revert.add(sha)  # once is enough
            made = self.revert(sha) if self.revert is not None else None
            if made is None:
                continue
            (result,) = self.budget.spend([made], self.stand_up)
            if result is not None:
                self.evidence.add(made, result)
                self.reverts[sha] = made
            return True
        return False

    def _know_reverts(self, questions: Sequence[Question]) -> None:
        """Take over the results that earlier searches have of the head without a culprit."""
        if self.revert is None:
            return
        for seen in self._open(questions):
            sha = seen.question.line[seen.belief.leader]
            if sha != seen.question.line[-1] and sha not in self.reverts:
                made = self.revert(sha)
                if made is not None and self.evidence.known(made):
                    self.reverts[sha] = made

    def _know_untestable(self, questions: Sequence[Question]) -> None:
        """Mark the commits whose files are wrong by earlier runs, which stay so."""
        for sha in questions[0].line if questions else ():
            results = self.evidence.of(sha)
            is_tested = any(_tells(result, sha, questions) for result in results)
            for result in results:
                if result.verdict is Verdict.INVALID and not is_tested:
                    self.untestable[sha] = why_untestable(result)


def _stands_in(seen: View, position: int) -> bool:
    """Whether the head without the most probable culprit can run in place of a position."""
    culprit, last = seen.belief.leader, len(seen.question.line) - 1
    parent = culprit - 1
    return (
        position < culprit < last
        and seen.belief.probabilities[culprit - seen.start] >= _PROBABLE
        and any(s.position == parent and s.seen is Seen.PASSED for s in seen.sightings)
    )


def why_untestable(result: Result | None) -> str:
    """Why a commit cannot be tested, in a few words."""
    if result is None:
        return "its run gave no result"
    if result.verdict is Verdict.INVALID:
        return f"its own files are wrong ({result.failure or 'plan'})"
    return result.failure or "servers were lost"


def _tells(result: Result, sha: str, questions: Iterable[Question]) -> bool:
    """Whether a result answers any of the questions."""
    return any(
        question.look(question.line.index(sha), result) is not None
        for question in questions
        if sha in question.line
    )


def _candidates(seen: View) -> Sequence[int]:
    """The positions to compare: all, or of a long line those that divide the belief evenly."""
    positions = seen.candidates
    if len(positions) <= _MOST_CANDIDATES:
        return positions
    leader = seen.belief.leader
    chosen = {positions[0], positions[-1], leader, max(leader - 1, positions[0])}
    share = 0
    for position, reached in zip(seen.suspects, accumulate(seen.belief.probabilities), strict=True):
        if reached * _MOST_CANDIDATES >= share:
            chosen |= {max(position - 1, positions[0]), position}
            share = int(reached * _MOST_CANDIDATES) + 1
    return sorted(chosen)
