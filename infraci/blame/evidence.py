"""What runs say of a testcase at a commit; what says nothing is left out here, and only here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from infraci.history import Case, Class, Result


class Seen(Enum):
    """What one run saw of a testcase."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"  # the commit has no such testcase


class Evidence:
    """The results of one pipeline's runs on one cloud, with the same settings, by commit.

    ``read`` looks up what is known of commits.
    """

    def __init__(
        self,
        read: Callable[[Iterable[str]], Mapping[str, Sequence[Result]]],
        *,
        pipeline: str,
        cloud: str,
        given: Sequence[str] = (),
    ) -> None:
        self.pipeline = pipeline
        self._kind = (pipeline, cloud, tuple(sorted(given)))
        self._read = read
        self._results: dict[str, list[Result]] = {}

    def look_up(self, shas: Iterable[str]) -> None:
        """Read what is known of commits, unless that was read before."""
        unread = [sha for sha in shas if sha not in self._results]
        found = self._read(unread)
        for sha in unread:
            results = found.get(sha, ())
            self._results[sha] = [
                r for r in results if (r.pipeline, r.cloud, r.given) == self._kind
            ]

    def of(self, sha: str) -> tuple[Result, ...]:
        """What is known of a commit, the oldest first."""
        if sha not in self._results:
            self.look_up([sha])
        return tuple(self._results[sha])

    def add(self, sha: str, result: Result) -> None:
        """Know one more; of a run that is known already, what is said now."""
        known = [one for one in self.of(sha) if not result.run or one.run != result.run]
        self._results[sha] = [*known, result]

    @property
    def mean_s(self) -> float:
        """How long a run took on average; 0 if none is known."""
        times = [r.took_s for results in self._results.values() for r in results if r.took_s]
        return sum(times) / len(times) if times else 0.0


def look(result: Result, case: Case) -> Seen | None:
    """What a run saw of a testcase; None where it tells nothing.

    A pass is a pass; a failure counts only if no server was lost in that run, which could be why.
    """
    found = _class_of(result, case)
    if found is Class.PASSED:
        return Seen.PASSED
    if found is Class.FAILED:
        return None if result.is_lost else Seen.FAILED
    return Seen.ABSENT if found is None and result.is_complete else None


def _class_of(result: Result, case: Case) -> Class | None:
    """Of the testcase, or of the same test where its role had more or fewer servers."""
    if case in result.cases:
        return result.cases[case]
    role = _role(case)
    alike = [c for one, c in result.cases.items() if one.test == case.test and _role(one) == role]
    return Class.FAILED if Class.FAILED in alike else next(iter(alike), None)


def _role(case: Case) -> str:
    return case.where.partition("/")[0]
