"""How suspicious a commit is before anything was run."""

from __future__ import annotations

from collections.abc import Sequence

#: How far it is trusted that a culprit touched what its pipeline uses.
_TRUST = 0.7


def weights(touching: Sequence[bool]) -> tuple[float, ...]:
    """A weight for each suspect, from whether it changed something that the pipeline uses.

    They add up to 1. Should the pipeline use more than is known of (a package of a mirror's, a
    file that a script computes the name of), every suspect keeps its part of the rest.
    """
    suspects = len(touching)
    known = sum(touching)
    if known in (0, suspects):
        return (1.0 / suspects,) * suspects
    return tuple(
        (1.0 - _TRUST) / suspects + (_TRUST / known if touches else 0.0) for touches in touching
    )
