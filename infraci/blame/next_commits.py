"""Chooses the commits to test next: those whose results give most information.

A stack is expensive, and tests every testcase of its pipeline at once. So commits are chosen by the
sum of the information about each testcase, in bits; and several at a time by their information
together, which is less than the sum. A run that advances the confirmation of a culprit is worth
more, but only if it is alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, product

from infraci.blame.belief import BROKEN_FAILS, Belief, Expected

#: A run that gives less is not worth a stack.
_WORTH_BITS = 1e-6
#: The number of possible results is exponential in it.
_MOST_AT_ONCE = 8
#: The worth of a step of a confirmation, in bits.
_STEP_BITS = 1.0
#: How often the less informative side of a culprit is run.
_OTHER_SIDE = 0.25


def choose(
    beliefs: Sequence[Belief],
    positions: Iterable[int],
    *,
    count: int = 1,
    rng: random.Random | None = None,
) -> tuple[int, ...]:
    """Choose the positions to run next, at most ``count``; a position may occur several times.

    Their order, in which to start them, is random, so that a slow or broken machine does not always
    get the same side. Returns none if no result could change anything.
    """
    candidates = tuple(positions)
    if not candidates or not beliefs:
        return ()
    rng = rng or random.Random()  # noqa: S311
    expected = [belief.expected() for belief in beliefs]
    worth = _worths(beliefs, expected, candidates)
    alone = _by_coin(beliefs, worth, rng)
    if count > 1:
        together, bits = _together(beliefs, expected, candidates, min(count, _MOST_AT_ONCE))
        if together and bits > worth[alone]:
            return tuple(rng.sample(together, len(together)))
    return (alone,) if worth[alone] >= _WORTH_BITS else ()


def bits_of(belief: Belief, positions: Iterable[int]) -> tuple[float, ...]:
    """The information that a run at each position gives about one question, in bits."""
    by_broken = _by_broken(belief.expected(), step_bits=0.0)
    return tuple(by_broken[belief.broken(position)] for position in positions)


def _worths(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int]
) -> dict[int, float]:
    """The worth of a run alone at each position, in bits."""
    worth = dict.fromkeys(positions, 0.0)
    for belief, hypotheses in zip(beliefs, expected, strict=True):
        by_broken = _by_broken(hypotheses)
        for position in positions:
            worth[position] += by_broken[belief.broken(position)]
    return worth


def _by_broken(hypotheses: Expected, *, step_bits: float = _STEP_BITS) -> Sequence[float]:
    """The worth of a run alone where the first 0, 1, … hypotheses say "broken"."""
    share, needs = hypotheses.chances, hypotheses.needs
    mean = [chance * rate for chance, rate in zip(share, hypotheses.rates, strict=True)]
    noise = [chance * coin(rate) for chance, rate in zip(share, hypotheses.rates, strict=True)]
    is_broken = list(accumulate(share, initial=hypotheses.changed))
    fails = list(accumulate((-value for value in mean), initial=sum(mean)))
    known = list(accumulate((-value for value in noise), initial=sum(noise)))
    steps = list(
        accumulate(
            (_sign(need) * chance for need, chance in zip(needs, share, strict=True)),
            initial=sum(c for need, c in zip(needs, share, strict=True) if need is False),
        )
    )
    return [
        max(coin(BROKEN_FAILS * b + f) - k - b * coin(BROKEN_FAILS), 0.0) + step_bits * s
        for b, f, k, s in zip(is_broken, fails, known, steps, strict=True)
    ]


def _sign(need: bool | None) -> float:
    """What a hypothesis adds to a run's confirming steps once it says "broken"."""
    return 0.0 if need is None else 1.0 if need else -1.0


def _by_coin(beliefs: Sequence[Belief], worth: dict[int, float], rng: random.Random) -> int:
    """The position to run alone: the best one, or at random the best of the culprit's other side.

    A flaky testcase may follow the pattern of the runs; it cannot follow a random choice.
    """
    leaders = [belief.leader for belief in beliefs]

    def best(positions: Iterable[int]) -> int:
        def rank(position: int) -> tuple[float, int]:
            nearest = min(min(abs(position - k), abs(position - k + 1)) for k in leaders)
            return round(worth[position], 6), -nearest

        return max(positions, key=rank)

    doubted = [b.leader for b in beliefs if b.is_flaky or b.is_only_doubted]
    for leader in doubted[:1]:
        sides = [[p for p in worth if p < leader], [p for p in worth if p >= leader]]
        if all(sides) and rng.random() < _OTHER_SIDE:
            return min(map(best, sides), key=lambda position: worth[position])
    return best(worth)


def _together(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int], count: int
) -> tuple[list[int], float]:
    """The positions to run at once, and their information together, in bits."""
    chosen: list[int] = []
    total = 0.0
    for _ in range(count):
        bits, position = max((_bits(beliefs, expected, [*chosen, p]), p) for p in positions)
        if bits - total < _WORTH_BITS:
            break
        total = bits
        chosen.append(position)
    return chosen, total


def _bits(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int]
) -> float:
    """The information that runs at all positions give about all questions, in bits."""
    ordered = sorted(positions)
    return sum(
        information(hypotheses, [belief.broken(position) for position in ordered])
        for belief, hypotheses in zip(beliefs, expected, strict=True)
    )


def information(hypotheses: Expected, broken: Sequence[int]) -> float:
    """The information of several results, in bits.

    ``broken`` has, for each result, how many hypotheses say "broken", ascending. Hypotheses that
    say so of the same commits are taken together, but for "none".
    """
    count = len(broken)
    edges = (0, *broken, len(hypotheses.chances) - 1)
    cases = [
        (hypotheses.changed, 0, 0.0),
        (hypotheses.chances[-1], count, hypotheses.rates[-1]),
    ]
    for first, (begin, end) in enumerate(pairwise(edges)):
        share = sum(hypotheses.chances[begin:end])
        pairs = zip(hypotheses.chances[begin:end], hypotheses.rates[begin:end], strict=True)
        mean = sum(chance * rate for chance, rate in pairs)
        cases.append((share, first, mean / share if share else 0.0))
    bits = 0.0
    for results in product((False, True), repeat=count):
        likely = sum(share * _likelihood(results, first, rate) for share, first, rate in cases)
        bits -= likely * math.log2(likely) if likely > 0 else 0.0
    known = sum(
        share * (first * coin(rate) + (count - first) * coin(BROKEN_FAILS))
        for share, first, rate in cases
    )
    return bits - known


def _likelihood(results: Sequence[bool], first: int, rate: float) -> float:
    """The likelihood of results (True is a failure) if all from the ``first`` on are broken."""
    likelihood = 1.0
    for number, failed in enumerate(results):
        fails = BROKEN_FAILS if number >= first else rate
        likelihood *= fails if failed else 1.0 - fails
    return likelihood


def coin(probability: float) -> float:
    """The entropy of a coin, in bits."""
    if probability <= 0.0 or probability >= 1.0:
        return 0.0
    rest = 1.0 - probability
    return -probability * math.log2(probability) - rest * math.log2(rest)
