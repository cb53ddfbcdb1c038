"""How suspicious a commit is before anything was run: by what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Weight(Enum):
    """What a commit changed, and how suspicious that makes it beside others."""

    USED = 1.0  # something that the testcase depends on, for all that is known
    UNUSED = 0.04  # a script may compute a file's name
    WORDS = 0.0005  # documents only
    NOTHING = 0.0  # it has the tree of the commit before it


#: How old a culprit is where nothing else is known, in commits: of a failure that was seen when its
#: commit came, the commit itself two times in three; of one that was searched for, less surely.
AGE_TESTED = 0.5
AGE_SEARCHED = 3.0


def recency(age: int, typical: float) -> float:
    """How suspicious a commit is by how many commits came after it up to the failure.

    As many culprits are older than the ``typical`` age as are not, if it is a whole number.

    It falls so slowly that a search for the first pass goes back in ever longer steps.
    """
    return typical / ((age + typical) * (age + typical + 1))


def older_share(count: int, typical: float) -> float:
    """How probable it is that none of the latest commits is it, by the same rule."""
    return typical / (count + typical)


def weights(changed: Sequence[Weight]) -> tuple[float, ...]:
    """A weight for each suspect; they add up to 1.

    Suspects of the least suspicious kind of all are alike.
    """
    raw = [weight.value for weight in changed]
    total = sum(raw)
    if total <= 0.0:
        return (1.0 / len(raw),) * len(raw)
    return tuple(weight / total for weight in raw)
