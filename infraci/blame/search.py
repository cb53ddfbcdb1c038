"""Stands commits up until every question of a line is answered, or nobody wants to pay for more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from infraci.blame.choice import choose
from infraci.blame.evidence import Evidence, look
from infraci.blame.question import Question, View, view
from infraci.history import Result
from infraci.model.run import Verdict

#: A commit that could not be tested so often on end is given up.
MOST_TRIES = 3
#: Of a long line, so many commits are weighed against each other.
_MOST_CANDIDATES = 64

#: Stands up the commits, all at once; what each run found, or None if it told nobody.
StandUp = Callable[[Sequence[str]], Sequence[Result | None]]


@dataclass
class Budget:
    """How many stacks may be stood up, and for how long; shared by all searches of a command."""

    runs: int
    time_s: float | None = None
    at_once: int = 1
    clock: Callable[[], float] = time.monotonic
    spent: int = 0
    _began: float | None = None
    _longest_s: float = 0.0

    def over(self) -> str:
        """Why no stack may be stood up any more; empty while some may."""
        if self.spent >= self.runs:
            return f"the budget of {self.runs} stack{'' if self.runs == 1 else 's'} is spent"
        if self.time_s is not None and self._began is not None:
            left = self.time_s - (self.clock() - self._began)
            if left < self._longest_s:
                return "the time is over"
        return ""

    @property
    def next(self) -> int:
        """How many may be stood up now, at once."""
        return min(self.at_once, self.runs - self.spent)

    def spend(self, shas: Sequence[str], stand_up: StandUp) -> Sequence[Result | None]:
        """Stand them up, and know how long that took."""
        began = self.clock()
        self._began = began if self._began is None else self._began
        self.spent += len(shas)
        try:
            return stand_up(shas)
        finally:
            self._longest_s = max(self._longest_s, self.clock() - began)


@dataclass(kw_only=True)
class Search:
    """The questions of one line, and what is known. ``go`` asks for what is not."""

    evidence: Evidence
    stand_up: StandUp
    budget: Budget
    target: float
    #: Commits that cannot be tested, and why.
    untestable: dict[str, str] = field(default_factory=dict)
    _tries: Counter[str] = field(default_factory=Counter)

    def go(self, questions: Sequence[Question]) -> str:
        """Run until all is answered; says why it stopped earlier, empty if it did not."""
        self._know_untestable(questions)
        while open_ := self._open(questions):
            if over := self.budget.over():
                return over
            unlike = {seen.key: seen for seen in open_}
            positions = self._choose(list(unlike.values()))
            if not positions:
                return "no commit that can be tested would tell more"
            self.run([open_[0].question.line[p] for p in positions], questions)
        return ""

    def run(self, shas: Sequence[str], questions: Sequence[Question]) -> None:
        """Stand commits up, and take what comes of it."""
        for sha, result in zip(shas, self.budget.spend(shas, self.stand_up), strict=True):
            if result is not None:
                self.evidence.add(sha, result)
            if result is not None and _tells(result, sha, questions):
                self._tries[sha] = 0
            else:
                self._tries[sha] += 1
                invalid = result is not None and result.verdict is Verdict.INVALID
                if invalid or self._tries[sha] >= MOST_TRIES:
                    self.untestable[sha] = why_untestable(result)

    def _open(self, questions: Iterable[Question]) -> list[View]:
        views = [view(question, self.evidence) for question in questions]
        return [seen for seen in views if seen is not None and not self.is_settled(seen)]

    def is_settled(self, seen: View) -> bool:
        """Whether one answer is as sure as was asked for."""
        return seen.belief.certainty >= self.target

    def _choose(self, views: Sequence[View]) -> tuple[int, ...]:
        line = views[0].question.line
        wanted = {position for seen in views for position in _candidates(seen)}
        testable = sorted(p for p in wanted if line[p] not in self.untestable)
        return choose([seen.belief for seen in views], testable, count=self.budget.next)

    def _know_untestable(self, questions: Sequence[Question]) -> None:
        """What earlier runs say: a pipeline that is wrong stays so."""
        for sha in questions[0].line if questions else ():
            results = self.evidence.of(sha)
            told = any(_tells(result, sha, questions) for result in results)
            for result in results:
                if result.verdict is Verdict.INVALID and not told:
                    self.untestable[sha] = why_untestable(result)


def why_untestable(result: Result | None) -> str:
    """In a few words."""
    if result is None:
        return "its run told nothing"
    if result.verdict is Verdict.INVALID:
        return f"its own files are wrong ({result.trouble or 'plan'})"
    return result.trouble or "servers were lost"


def _tells(result: Result, sha: str, questions: Iterable[Question]) -> bool:
    """Whether a result answers any of the questions."""
    for question in questions:
        name = question.names[question.line.index(sha)] if sha in question.line else None
        if name is not None and look(result, name) is not None:
            return True
    return False


def _candidates(seen: View) -> Sequence[int]:
    """The positions worth weighing: all, or of a long line those that cut the belief evenly."""
    positions = seen.candidates
    if len(positions) <= _MOST_CANDIDATES:
        return positions
    chosen = {positions[0], positions[-1]}
    share = 0
    for position, reached in zip(seen.suspects, accumulate(seen.belief.probabilities), strict=True):
        if reached * _MOST_CANDIDATES >= share:
            chosen |= {max(position - 1, positions[0]), position}
            share = int(reached * _MOST_CANDIDATES) + 1
    return sorted(chosen)
