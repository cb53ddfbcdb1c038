"""What is believed of one failing testcase: which suspect broke it, or none.

Suspects are commits in order, oldest first, at positions of a line that several testcases may
share. A hypothesis is the first broken commit: a suspect, one before all of them, or none; or that
the world around the commits has changed, so that all fail that passed before. Every result, in the
order of the runs, moves the belief by Bayes' rule: a broken testcase fails, a healthy one fails as
:mod:`infraci.blame.flakiness` has it. How flaky it is need not be known: each chain held possible
is a hypothesis as well, and each hypothesis has its own last result of the healthy testcase, so
that a block of equal results counts about once.

The model is that of Henderson et al., Flake Aware Culprit Finding (ICST 2023), but for runs that
depend on each other. What a cloud's failure says of a commit is nothing, so it never gets here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infraci.blame.flakiness import ROWS, Flakiness

#: How often what is broken fails. Not quite always, so that one odd result is no proof.
BROKEN_FAILS = 0.999
#: How probable it is, before anything failed, that a commit in question breaks the testcase. What
#: share of failures is a flake's follows from it and from how flaky the testcase is.
BREAKS = 0.2
#: The same of a testcase that failed with the words of a mirror that does not answer.
BREAKS_DOUBTED = 0.02
#: The same that the world has changed since a testcase was seen to pass.
CHANGES = 0.02
#: How often a change of the world comes between two runs.
_CHANGES_NOW = 0.1
#: How often a testcase of an unchanged world fails.
_STRAY = 0.005
#: How often a commit without the culprit's change fails for another reason.
_SPOILT = 0.1
#: A culprit of a testcase that is flaky has to be so many times as sure, and once more.
_CARE = 2.0
#: Steps of a confirmation: a culprit failed, a commit before it passed, the culprit failed again.
_CONFIRMED = 3
#: The same of a testcase that is rather flaky than not, or may have failed for a mirror.
_CONFIRMED_TWICE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What hypotheses expect of the next run: before, the suspects in order, none."""

    chances: tuple[float, ...]  # how probable each is
    rates: tuple[float, ...]  # how often, by each, the testcase fails where it is healthy
    needs: tuple[bool | None, ...]  # the result that would confirm each: a failure, a pass, none
    changed: float  # how probable it is that the world has changed already
    unchanged: float  # that it is going to


class Belief:
    """A probability for each suspect, for what came before them, for the world and for nobody.

    ``prior`` has a weight, of any scale, for each suspect; the first of them is at position
    ``start``. ``before`` is the share of ``breaks`` that commits older than the suspects have: zero
    where the testcase was seen to pass. ``changes`` is how probable a change of the world is.
    ``is_lonely`` says that no commit before the first suspect can be run, and ``is_doubted`` that
    it failed with the words of a mirror that does not answer.
    """

    def __init__(
        self,
        prior: Sequence[float],
        *,
        before: float = 0.0,
        breaks: float | None = None,
        changes: float = 0.0,
        flakiness: Flakiness | None = None,
        start: int = 0,
        is_lonely: bool = False,
        is_doubted: bool = False,
    ) -> None:
        total = sum(prior)
        if total <= 0:
            raise ValueError("a belief needs a suspect with a weight")
        known = flakiness or Flakiness()
        if breaks is None:
            breaks = BREAKS_DOUBTED if is_doubted else BREAKS
        share = breaks * (1.0 - before) / total
        weights = [breaks * before, *(weight * share for weight in prior), 1.0 - breaks - changes]
        self.start = start
        self._is_lonely, self._is_doubted = is_lonely, is_doubted
        # A row for each chain, a column for each hypothesis: before, the suspects in order, none.
        self._joint = [[weight * row for weight in weights] for row in known.weights()]
        self._last: list[bool | None] = [known.last] * len(weights)
        self._stages = [0] * len(weights)
        self._unchanged = self._changed = changes / 2
        self._normalise()

    def observe(
        self, position: int, *, failed: bool, is_alone: bool = True, without: int | None = None
    ) -> None:
        """Learn a result; at a position before the suspects it tells of what came before them.

        A run ``is_alone`` if no other of the same search ran beside it. ``without`` is the
        position of a suspect whose change was taken out of the commit that was run.
        """
        broken = self.broken(position)
        spared = None if without is None else self.broken(without) - 1
        of_broken = _likely(BROKEN_FAILS, failed)
        for chain, row in zip(ROWS, self._joint, strict=True):
            likely = {last: _likely(chain.failing(last), failed) for last in (None, True, False)}
            kept = row[spared] if spared is not None else 0.0
            row[:broken] = [weight * of_broken for weight in row[:broken]]
            row[broken:] = [
                weight * likely[last]
                for weight, last in zip(row[broken:], self._last[broken:], strict=True)
            ]
            if spared is not None:
                fails = max(chain.failing(self._last[spared]), _SPOILT)
                row[spared] = kept * _likely(fails, failed)
        self._last[broken:] = [failed] * (len(self._last) - broken)
        if spared is not None:
            self._last[spared] = failed
        changing = self._unchanged * _CHANGES_NOW
        self._changed = (self._changed + changing) * of_broken
        self._unchanged = (self._unchanged - changing) * _likely(_STRAY, failed)
        self._normalise()
        self._confirm(broken, spared, failed=failed, is_alone=is_alone)

    def observe_absence(self, position: int) -> None:
        """Learn that a run before the suspects had no such testcase: it cannot have failed."""
        self._confirm(self.broken(position), None, failed=False, is_alone=True)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of each suspect."""
        return tuple(self._all[1:-1])

    @property
    def before(self) -> float:
        """That it was broken before the suspects."""
        return self._all[0]

    @property
    def nobody(self) -> float:
        """That no commit broke it: it is flaky, or the world has changed."""
        return self._all[-1] + self.world

    @property
    def world(self) -> float:
        """That the world has changed."""
        return self._changed + self._unchanged

    @property
    def certainty(self) -> float:
        """The probability of what is most probable."""
        return max(self.before, self.nobody, *self.probabilities)

    @property
    def leader(self) -> int:
        """The position of the most probable suspect; of equals, the latest."""
        chances = self.probabilities
        return self.start + max(range(len(chances)), key=lambda number: (chances[number], number))

    def is_confirmed(self, position: int) -> bool:
        """Whether the suspect there failed, one before it passed, and it failed again."""
        return self.steps_left(position) == 0

    @property
    def is_only_doubted(self) -> bool:
        """Whether the culprit, if there is one, is known and confirmed."""
        chance = self.probabilities[self.leader - self.start]
        return self.is_confirmed(self.leader) and 1.0 - chance <= 2.0 * self.nobody

    def steps_left(self, position: int) -> int:
        """How many runs are missing to confirm the suspect there, if all goes well."""
        return max(self._steps - self._stages[1 + position - self.start], 0)

    def is_settled(self, target: float) -> bool:
        """Whether one answer is as probable as the target, and confirmed if it names a culprit."""
        if self.nobody >= target or self.before >= target:
            return True
        doubt = 1.0 - self.probabilities[self.leader - self.start]
        return doubt * (1.0 + _CARE * self.flaky) <= 1.0 - target and self.is_confirmed(self.leader)

    @property
    def is_flaky(self) -> bool:
        """Whether the testcase is rather flaky than not."""
        return self.flaky > 0.5

    @property
    def flaky(self) -> float:
        """That the testcase is flaky, whoever broke it."""
        return sum(sum(row) for chain, row in zip(ROWS, self._joint, strict=True) if chain.is_flaky)

    def expected(self) -> Expected:
        """What hypotheses expect of the next run."""
        steps = self._steps
        rates = [0.0] * len(self._all)
        for chain, row in zip(ROWS, self._joint, strict=True):
            fails = {last: chain.failing(last) for last in (None, True, False)}
            rates = [
                rate + weight * fails[last]
                for rate, weight, last in zip(rates, row, self._last, strict=True)
            ]
        return Expected(
            chances=tuple(self._all),
            rates=tuple(
                r / all_ if all_ else 0.0 for r, all_ in zip(rates, self._all, strict=True)
            ),
            needs=tuple(
                self._needed(column) if stage < steps else None
                for column, stage in enumerate(self._stages)
            ),
            changed=self._changed,
            unchanged=self._unchanged,
        )

    def broken(self, position: int) -> int:
        """How many hypotheses, the first of them, have it that the testcase is broken there."""
        suspects = len(self._last) - 2
        return 1 + min(max(position - self.start + 1, 0), suspects)

    @property
    def _steps(self) -> int:
        """How many steps confirm a culprit."""
        return _CONFIRMED_TWICE if self.is_flaky or self._is_doubted else _CONFIRMED

    def _needed(self, column: int) -> bool | None:
        """The result that takes a suspect a step further; None for what is no suspect."""
        if not 0 < column < len(self._stages) - 1:
            return None
        return self._stages[column] % 2 == 0 or (self._is_lonely and column == 1)

    def _confirm(self, broken: int, spared: int | None, *, failed: bool, is_alone: bool) -> None:
        """Take each suspect a step further that needed this result.

        Its first failure may be of any run. Others count of runs that were alone: testcases
        that fail under load do so beside others.
        """
        for column in range(1, len(self._stages) - 1):
            is_broken = column < broken and column != spared
            is_needed = is_broken == failed == self._needed(column)
            if is_needed and (is_alone or self._stages[column] == 0):
                self._stages[column] += 1

    def _normalise(self) -> None:
        columns = list(map(sum, zip(*self._joint, strict=True)))
        total = sum(columns) + self._changed + self._unchanged
        self._joint = [[weight / total for weight in row] for row in self._joint]
        self._all = [column / total for column in columns]
        self._changed, self._unchanged = self._changed / total, self._unchanged / total


def _likely(fails: float, failed: bool) -> float:
    return fails if failed else 1.0 - fails
