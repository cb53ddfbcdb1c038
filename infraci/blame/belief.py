"""What is believed of one failing testcase: which suspect broke it, or none.

Suspects are commits in order, oldest first, at positions of a line that several testcases may
share. A hypothesis is the first broken commit: a suspect, one before all of them, or nobody's.
Every result at a position moves the belief by Bayes' rule: a broken testcase fails, a healthy one
fails as often as it is flaky. How flaky it is need not be known: each rate held possible is a
hypothesis as well.

The model is Henderson et al., Flake Aware Culprit Finding (ICST 2023), but for the rate, which
there is a number. What a cloud's failure says of a commit is nothing, so it never gets here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from infraci.blame.flakiness import RATES, Flakiness

#: How often what is broken fails. Not quite always, so that one odd result is no proof.
BROKEN_FAILS = 0.999


class Belief:
    """A probability for each suspect, for what came before them, and for nobody.

    ``prior`` has a weight, of any scale, for each suspect; the first of them is at position
    ``start``. ``nobody`` is the probability that the failure that led here had no culprit, and
    ``before`` that it is older than the suspects: zero where the testcase was seen to pass.
    """

    def __init__(
        self,
        prior: Sequence[float],
        *,
        nobody: float,
        before: float = 0.0,
        flakiness: Flakiness | None = None,
        start: int = 0,
    ) -> None:
        total = sum(prior)
        if total <= 0:
            raise ValueError("a belief needs a suspect with a weight")
        share = (1.0 - nobody - before) / total
        weights = [before, *(weight * share for weight in prior), nobody]
        rates = (flakiness or Flakiness()).weights()
        self.start = start
        # A row a rate, a column a hypothesis: before, the suspects in order, nobody.
        self._joint = [[weight * rate for weight in weights] for rate in rates]

    def observe(self, position: int, *, failed: bool) -> None:
        """Learn a result; at a position before the suspects it tells of what came before them."""
        broken = self._broken(position)
        of_broken = BROKEN_FAILS if failed else 1.0 - BROKEN_FAILS
        total = 0.0
        for rate, row in zip(RATES, self._joint, strict=True):
            of_healthy = rate if failed else 1.0 - rate
            row[:] = [weight * of_broken for weight in row[:broken]] + [
                weight * of_healthy for weight in row[broken:]
            ]
            total += sum(row)
        self._joint = [[weight / total for weight in row] for row in self._joint]

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Of each suspect."""
        return self._all()[1:-1]

    @property
    def before(self) -> float:
        """That it was broken before the suspects."""
        return self._all()[0]

    @property
    def nobody(self) -> float:
        """That nothing is broken: the testcase is flaky."""
        return self._all()[-1]

    @property
    def certainty(self) -> float:
        """The probability of what is most probable."""
        return max(self._all())

    @property
    def rate(self) -> float:
        """How often the testcase fails where it is healthy."""
        return sum(rate * sum(row) for rate, row in zip(RATES, self._joint, strict=True))

    def broken_at(self, positions: Sequence[int]) -> tuple[float, ...]:
        """The probability, for each position, that the testcase is broken there."""
        reached = list(accumulate(self._all()))
        return tuple(reached[self._broken(position) - 1] for position in positions)

    def _broken(self, position: int) -> int:
        """How many hypotheses have it that the testcase is broken at a position."""
        suspects = len(self._joint[0]) - 2
        return 1 + min(max(position - self.start + 1, 0), suspects)

    def _all(self) -> tuple[float, ...]:
        return tuple(map(sum, zip(*self._joint, strict=True)))
