"""How often a healthy testcase fails all the same, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

#: The rates that are held possible; between them nothing would change a verdict.
RATES = (0.0005, 0.005, 0.02, 0.05, 0.1, 0.16, 0.23, 0.31, 0.4, 0.5, 0.62)

#: What is believed of a testcase that nobody has seen before: most never flake, a few do often.
_FAILED_BEFORE = 0.3
_PASSED_BEFORE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Flakiness:
    """What was seen of a testcase at commits where it was healthy."""

    passed: int = 0
    failed: int = 0

    def weights(self) -> tuple[float, ...]:
        """How probable each of :data:`RATES` is; they add up to 1."""
        failed, passed = self.failed + _FAILED_BEFORE, self.passed + _PASSED_BEFORE
        logs = [
            (failed - 1) * math.log(rate) + (passed - 1) * math.log1p(-rate) + math.log(width)
            for rate, width in zip(RATES, _widths(), strict=True)
        ]
        highest = max(logs)
        raw = [math.exp(log - highest) for log in logs]
        total = sum(raw)
        return tuple(weight / total for weight in raw)

    @property
    def rate(self) -> float:
        """The rate to expect."""
        return sum(rate * weight for rate, weight in zip(RATES, self.weights(), strict=True))


def _widths() -> Sequence[float]:
    """How much of the line from 0 to 1 each rate stands for."""
    middles = [(low + high) / 2 for low, high in pairwise(RATES)]
    edges = [0.0, *middles, 1.0]
    return [high - low for low, high in pairwise(edges)]
