"""Probabilities of which commit broke a testcase, updated with each result by Bayes' rule.

Suspects are commits in order, oldest first, at positions of a line that several testcases may
share. A hypothesis is the first broken commit: a suspect, an older commit, or none; or that the
world around the commits has changed, so that every commit fails that passed before. A broken
testcase fails; a healthy one fails as often as :mod:`infraci.blame.flakiness` says. How flaky it
is need not be known: each possible chain is a hypothesis as well, and each hypothesis has its own
last result of the healthy testcase, so that a block of equal results counts about once.

The model is that of Henderson et al., Flake Aware Culprit Finding (ICST 2023), extended to runs
that depend on each other. Errors of the cloud are not observed: they say nothing about a commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infraci.blame.flakiness import CHAINS, Flakiness

#: How often a broken testcase fails. Not quite always, so that one odd result is no proof.
BROKEN_FAILS = 0.999
#: How probable it is, before any failure, that a suspect breaks the testcase. The share of flakes
#: among failures follows from it and from how flaky the testcase is.
BREAKS = 0.2
#: The same if the testcase failed with the message of a mirror that does not answer.
BREAKS_DOUBTED = 0.02
#: How probable it is that the world has changed since the testcase passed.
CHANGES = 0.02
#: How often the world changes between two runs.
_CHANGES_NOW = 0.1
#: How often a testcase fails while the world has not changed yet.
_STRAY = 0.005
#: How often a commit without the culprit's change fails for another reason.
_SPOILT = 0.1
#: For a flaky testcase, the doubt about a culprit counts so many times more.
_CARE = 2.0
#: Steps of a confirmation: the culprit failed, a commit before it passed, the culprit failed again.
_CONFIRMED = 3
#: The same if the testcase is probably flaky, or a mirror may have made it fail.
_CONFIRMED_TWICE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What each hypothesis expects of the next run: older commits, suspects in order, none."""

    chances: tuple[float, ...]  # how probable each is
    rates: tuple[float, ...]  # by each, how often the healthy testcase fails
    needs: tuple[bool | None, ...]  # the result that would confirm each: a failure, a pass, none
    changed: float  # how probable it is that the world has changed already
    unchanged: float  # that it will change later


class Belief:
    """The probabilities of each suspect, of older commits, of a changed world, and of no culprit.

    ``prior`` has a weight, of any scale, for each suspect; the first of them is at position
    ``start``. ``before`` is the share of ``breaks`` that commits older than the suspects have: zero
    if the testcase has passed. ``changes`` is how probable a change of the world is. ``is_lonely``
    says that no commit before the first suspect can be run, and ``is_doubted`` that the testcase
    failed with the message of a mirror that does not answer.
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
        """Update the probabilities with a result of the commit at a position.

        A run ``is_alone`` if no other run of the same search ran beside it. ``without`` is the
        position of a suspect whose change the commit that was run does not have.
        """
        broken = self.broken(position)
        spared = None if without is None else self.broken(without) - 1
        of_broken = _likely(BROKEN_FAILS, failed)
        for chain, row in zip(CHAINS, self._joint, strict=True):
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
        """Update with a run before the suspects that did not have the testcase."""
        self._confirm(self.broken(position), None, failed=False, is_alone=True)

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The probability of each suspect."""
        return tuple(self._all[1:-1])

    @property
    def before(self) -> float:
        """The probability that a commit before the suspects broke it."""
        return self._all[0]

    @property
    def no_culprit(self) -> float:
        """The probability that no commit broke it: it is flaky, or the world has changed."""
        return self._all[-1] + self.world

    @property
    def world(self) -> float:
        """The probability that the world has changed."""
        return self._changed + self._unchanged

    @property
    def certainty(self) -> float:
        """The probability of the most probable answer."""
        return max(self.before, self.no_culprit, *self.probabilities)

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
        """Whether only flakiness stands against the culprit, which is confirmed."""
        chance = self.probabilities[self.leader - self.start]
        return self.is_confirmed(self.leader) and 1.0 - chance <= 2.0 * self.no_culprit

    def steps_left(self, position: int) -> int:
        """How many more runs confirm the suspect at a position, at least."""
        return max(self._steps - self._stages[1 + position - self.start], 0)

    def is_settled(self, target: float) -> bool:
        """Whether one answer is as probable as the target; a culprit has to be confirmed too."""
        if self.no_culprit >= target or self.before >= target:
            return True
        doubt = 1.0 - self.probabilities[self.leader - self.start]
        return doubt * (1.0 + _CARE * self.flaky) <= 1.0 - target and self.is_confirmed(self.leader)

    @property
    def is_flaky(self) -> bool:
        """Whether the testcase is probably flaky."""
        return self.flaky > 0.5

    @property
    def flaky(self) -> float:
        """The probability that the testcase is flaky, whichever commit broke it."""
        return sum(
            sum(row) for chain, row in zip(CHAINS, self._joint, strict=True) if chain.is_flaky
        )

    def expected(self) -> Expected:
        """What each hypothesis expects of the next run."""
        steps = self._steps
        rates = [0.0] * len(self._all)
        for chain, row in zip(CHAINS, self._joint, strict=True):
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
        """How many of the first hypotheses say that the testcase is broken at a position."""
        suspects = len(self._last) - 2
        return 1 + min(max(position - self.start + 1, 0), suspects)

    @property
    def _steps(self) -> int:
        """How many steps confirm a culprit."""
        return _CONFIRMED_TWICE if self.is_flaky or self._is_doubted else _CONFIRMED

    def _needed(self, column: int) -> bool | None:
        """The result that confirms a suspect a step further; None for other hypotheses."""
        if not 0 < column < len(self._stages) - 1:
            return None
        return self._stages[column] % 2 == 0 or (self._is_lonely and column == 1)

    def _confirm(self, broken: int, spared: int | None, *, failed: bool, is_alone: bool) -> None:
        """Advance the confirmation of each suspect that needs this result.

        Its first failure may be of any run; later results count only if the run was alone, since
        some testcases fail under the load of other runs.
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
