"""Which commits to stand up next: those whose results would tell most, of all open questions.

A stack is dear, and answers for every testcase of its pipeline at once. So the commits are chosen
by the sum of what they would tell of each, in bits; and several at a time by what they would tell
together, which is less than what each would tell alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product

from infraci.blame.belief import BROKEN_FAILS, Belief

#: Less than this of a bit, and a run is not worth a stack.
_WORTH_BITS = 1e-6
#: Beyond it the number of possible results grows out of hand.
_MOST_AT_ONCE = 8


def choose(
    beliefs: Sequence[Belief], positions: Iterable[int], *, count: int = 1
) -> tuple[int, ...]:
    """The positions to run next, at most ``count`` of them; one may be there more than once.

    Empty when no result could change anything.
    """
    candidates = tuple(positions)
    chosen: list[int] = []
    told = 0.0
    for _ in range(min(count, _MOST_AT_ONCE)):
        best = max(
            ((_told(beliefs, [*chosen, position]), position) for position in candidates),
            default=(0.0, 0),
        )
        if best[0] - told < _WORTH_BITS:
            break
        told = best[0]
        chosen.append(best[1])
    return tuple(sorted(chosen))


def _told(beliefs: Sequence[Belief], positions: Sequence[int]) -> float:
    """What runs at all of the positions would tell of all questions, in bits."""
    ordered = sorted(positions)
    return sum(information(belief.broken_at(ordered), belief.rate) for belief in beliefs)


def information(broken: Sequence[float], rate: float) -> float:
    """What results at several positions, in order, tell together, in bits."""
    count = len(broken)
    # A case a position from which on everything is broken, and one where nothing is.
    steps = zip((0.0, *broken), (*broken, 1.0), strict=True)
    cases = [(after - earlier, first) for first, (earlier, after) in enumerate(steps)]
    told = 0.0
    for results in product((False, True), repeat=count):
        likely = 0.0
        for share, first in cases:
            likelihood = share * _likelihood(results, first, rate)
            likely += likelihood
        told -= likely * math.log2(likely) if likely > 0 else 0.0
    known = sum(
        share * (first * _coin(rate) + (count - first) * _coin(BROKEN_FAILS))
        for share, first in cases
    )
    return told - known


def _likelihood(results: Sequence[bool], first: int, rate: float) -> float:
    """Of these results (True is a failure) when all from the ``first`` on are broken."""
    likelihood = 1.0
    for number, failed in enumerate(results):
        fails = BROKEN_FAILS if number >= first else rate
        likelihood *= fails if failed else 1.0 - fails
    return likelihood


def _coin(probability: float) -> float:
    """The entropy of a coin, in bits."""
    if probability <= 0.0 or probability >= 1.0:
        return 0.0
    rest = 1.0 - probability
    return -probability * math.log2(probability) - rest * math.log2(rest)
