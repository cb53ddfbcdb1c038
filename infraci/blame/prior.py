"""How suspicious a commit is before any run: by the files that it changed, and by its age."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Weight(Enum):
    """What a commit changed, and how suspicious that makes it."""

    USED = 1.0  # a file that the testcase depends on
    UNUSED = 0.04  # a script may compute a file's name
    WORDS = 0.0005  # only documentation
    NOTHING = 0.0  # it has the tree of the commit before it


#: The typical age of a culprit, in commits: if its commit was tested when it came, the commit
#: itself is it two times in three; if a search found the failure, the culprit is older.
AGE_TESTED = 0.5
AGE_SEARCHED = 3.0


def recency(age: int, typical: float) -> float:
    """How suspicious a commit is by how many commits came after it up to the failure.

    Half of the culprits are older than the ``typical`` age, if it is a whole number. The weight
    falls so slowly that a search for the last pass goes back in ever longer steps.
    """
    return typical / ((age + typical) * (age + typical + 1))


def older_share(count: int, typical: float) -> float:
    """How probable it is that the culprit is older than ``count`` commits, by the same rule."""
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
