"""Time limits for tests of what takes too long."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST_S = 60.0


def growing_limits(first_s: float) -> Iterator[float]:
    """Limits to try in turn, until one lets a loaded machine begin what is to take too long."""
    limit_s = first_s
    while limit_s < _LONGEST_S:
        yield limit_s
        limit_s *= 4
