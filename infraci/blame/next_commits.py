"""Which commits to stand up next: those whose results would tell most, of all open questions.

A stack is dear, and answers for every testcase of its pipeline at once. So the commits are chosen
by the sum of what they would tell of each, in bits; and several at a time by what they would tell
together, which is less than what each would tell alone. A run that takes the confirmation of a
culprit a step further counts for that as well, but only if it is alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, product

from infraci.blame.belief import BROKEN_FAILS, Belief, Expected

#: Less than this, and a run is not worth a stack.
_WORTH_BITS = 1e-6
#: Beyond it the number of possible results grows out of hand.
_MOST_AT_ONCE = 8
#: What a step of a confirmation is worth, in bits.
_STEP_BITS = 1.0
#: How often the side of a culprit is run that would tell less.
_OTHER_SIDE = 0.25


def choose(
    beliefs: Sequence[Belief],
    positions: Iterable[int],
    *,
    count: int = 1,
    luck: random.Random | None = None,
) -> tuple[int, ...]:
    """The positions to run next, at most ``count`` of them; one may be there more than once.

    They are in the order in which to start them: chance decides, so that a machine that is slow or
    wrong does not always get the same side. Empty when no result could change anything.
    """
    candidates = tuple(positions)
    if not candidates or not beliefs:
        return ()
    luck = luck or random.Random()  # noqa: S311
    expected = [belief.expected() for belief in beliefs]
    worth = _worths(beliefs, expected, candidates)
    alone = _by_coin(beliefs, worth, luck)
    if count > 1:
        together, told = _together(beliefs, expected, candidates, min(count, _MOST_AT_ONCE))
        if together and told > worth[alone]:
            return tuple(luck.sample(together, len(together)))
    return (alone,) if worth[alone] >= _WORTH_BITS else ()


def bits_of(belief: Belief, positions: Iterable[int]) -> tuple[float, ...]:
    """What a run at each position would tell of one question, in bits."""
    by_broken = _by_broken(belief.expected(), step_bits=0.0)
    return tuple(by_broken[belief.broken(position)] for position in positions)


def _worths(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int]
) -> dict[int, float]:
    """What a run alone at each position is worth, in bits."""
    worth = dict.fromkeys(positions, 0.0)
    for belief, told in zip(beliefs, expected, strict=True):
        by_broken = _by_broken(told)
        for position in positions:
            worth[position] += by_broken[belief.broken(position)]
    return worth


def _by_broken(told: Expected, *, step_bits: float = _STEP_BITS) -> Sequence[float]:
    """What a run alone is worth where the first 0, 1, … hypotheses have it broken."""
    share, needs = told.chances, told.needs
    mean = [chance * rate for chance, rate in zip(share, told.rates, strict=True)]
    noise = [chance * coin(rate) for chance, rate in zip(share, told.rates, strict=True)]
    is_broken = list(accumulate(share, initial=told.changed))
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
    """What a hypothesis adds to the steps that a run takes once it has it broken there."""
    return 0.0 if need is None else 1.0 if need else -1.0


def _by_coin(beliefs: Sequence[Belief], worth: dict[int, float], luck: random.Random) -> int:
    """The position to run alone: the best one, or by a coin the best of the culprit's other side.

    A flaky testcase may have a pattern that is the pattern of the runs. It cannot follow a coin.
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
        if all(sides) and luck.random() < _OTHER_SIDE:
            return min(map(best, sides), key=lambda position: worth[position])
    return best(worth)


def _together(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int], count: int
) -> tuple[list[int], float]:
    """The positions to run at once, and what they tell together, in bits."""
    chosen: list[int] = []
    told = 0.0
    for _ in range(count):
        bits, position = max((_bits(beliefs, expected, [*chosen, p]), p) for p in positions)
        if bits - told < _WORTH_BITS:
            break
        told = bits
        chosen.append(position)
    return chosen, told


def _bits(
    beliefs: Sequence[Belief], expected: Sequence[Expected], positions: Sequence[int]
) -> float:
    """What runs at all of the positions would tell of all questions, in bits."""
    ordered = sorted(positions)
    return sum(
        information(told, [belief.broken(position) for position in ordered])
        for belief, told in zip(beliefs, expected, strict=True)
    )


def information(told: Expected, broken: Sequence[int]) -> float:
    """What results tell together, in bits, where so many hypotheses (ascending) have it broken.

    Hypotheses that have the same commits broken are taken together, but for "none".
    """
    count = len(broken)
    edges = (0, *broken, len(told.chances) - 1)
    cases = [(told.changed, 0, 0.0), (told.chances[-1], count, told.rates[-1])]
    for first, (begin, end) in enumerate(pairwise(edges)):
        share = sum(told.chances[begin:end])
        pairs = zip(told.chances[begin:end], told.rates[begin:end], strict=True)
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
    """Of these results (True is a failure) when all from the ``first`` on are broken."""
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
