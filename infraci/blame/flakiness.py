"""How often a healthy testcase fails, and how its failures follow each other.

The results of a testcase at healthy commits are modelled as a Markov chain of first order: a result
depends on the one before it. Each of :data:`CHAINS` is a possible chain: steady, failing at
random, failing in bursts, or failing in turns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain: how often a failure follows a pass, and how often one follows a failure."""

    after_pass: float
    after_failure: float
    share: float  # how probable it is among chains of its kind

    @property
    def is_flaky(self) -> bool:
        """Whether such a testcase is called flaky."""
        return max(self.after_pass, self.after_failure) > 0.01

    @property
    def stationary(self) -> float:
        """How often it fails when nothing is known of the run before."""
        return self.after_pass / (1.0 + self.after_pass - self.after_failure)

    def failing(self, last: bool | None) -> float:
        """The probability of a failure after ``last`` (True: a failure; None: unknown)."""
        if last is None:
            return self.stationary
        return self.after_failure if last else self.after_pass


def _at_random(rate: float, share: float) -> Chain:
    return Chain(after_pass=rate, after_failure=rate, share=share)


#: Rates at which nearly every testcase fails. No result excludes them.
_STEADY = (_at_random(0.0005, 0.97), _at_random(0.005, 0.03))
#: The chains of flaky testcases; their shares add up to 1.
_AT_RANDOM = tuple(
    _at_random(rate, share)
    for rate, share in (
        (0.02, 0.08), (0.05, 0.09), (0.1, 0.1), (0.16, 0.1), (0.23, 0.1),
        (0.31, 0.09), (0.4, 0.07), (0.5, 0.05), (0.62, 0.02),
    )
)  # fmt: skip
_IN_BURSTS = tuple(
    Chain(after_pass=begins, after_failure=goes_on, share=0.2 / 9)
    for begins in (0.005, 0.04, 0.2)
    for goes_on in (0.5, 0.8, 0.95)
)
_IN_TURNS = (
    Chain(after_pass=0.3, after_failure=0.02, share=0.03),
    Chain(after_pass=0.5, after_failure=0.02, share=0.03),
    Chain(after_pass=0.5, after_failure=0.2, share=0.02),
    Chain(after_pass=0.95, after_failure=0.05, share=0.02),
)
_FLAKY = (*_AT_RANDOM, *_IN_BURSTS, *_IN_TURNS)
CHAINS = (*_STEADY, *_FLAKY)

#: The share of flaky testcases among those of which nothing is known.
UNSEEN = 0.004
#: How probable it is that a testcase has become flaky.
_BECOMES = 0.003


@dataclass(frozen=True, slots=True, kw_only=True)
class Flakiness:
    """The results of a testcase at healthy commits, in the order of the runs.

    ``share`` is the share of flaky testcases among those like it.
    """

    passed: int = 0
    failed: int = 0
    pairs: tuple[tuple[bool, bool], ...] = field(default=(), repr=False)
    first: bool | None = None
    last: bool | None = None
    share: float = UNSEEN

    @classmethod
    def of(cls, results: Iterable[bool], *, share: float = UNSEEN) -> Flakiness:
        """From results in order (True: a failure)."""
        seen = tuple(results)
        return cls(
            passed=seen.count(False),
            failed=seen.count(True),
            pairs=tuple(pairwise(seen)),
            first=seen[0] if seen else None,
            last=seen[-1] if seen else None,
            share=share,
        )

    def weights(self) -> tuple[float, ...]:
        """How probable each of :data:`CHAINS` is; they add up to 1."""
        prior = _prior(self.share)
        counts = {pair: self.pairs.count(pair) for pair in set(self.pairs)}
        logs = [
            math.log(share) + self._log(chain, counts)
            for chain, share in zip(CHAINS, prior, strict=True)
        ]
        highest = max(logs)
        raw = [math.exp(log - highest) for log in logs]
        total = sum(raw)
        anew = _prior(1.0)
        return tuple(
            (1.0 - _BECOMES) * weight / total + _BECOMES * other
            for weight, other in zip(raw, anew, strict=True)
        )

    def _log(self, chain: Chain, counts: dict[tuple[bool, bool], int]) -> float:
        """The logarithm of the likelihood of the results."""
        log = 0.0 if self.first is None else _log(chain.stationary, failed=self.first)
        for (before, now), count in counts.items():
            log += count * _log(chain.failing(before), failed=now)
        return log


def share_of(*, flaky: int, steady: int) -> float:
    """The share of flaky testcases to expect of a pipeline that had so many of either kind."""
    return (UNSEEN * _LIKE + flaky) / (_LIKE + flaky + steady)


#: The general share weighs as much as so many testcases of the pipeline.
_LIKE = 40.0


def _log(probability: float, *, failed: bool) -> float:
    return math.log(probability if failed else 1.0 - probability)


@cache
def _prior(share: float) -> tuple[float, ...]:
    return (
        *((1.0 - share) * chain.share for chain in _STEADY),
        *(share * chain.share for chain in _FLAKY),
    )


#: The share of flaky testcases among those that fail with the message of a mirror.
DOUBTFUL = 0.5
