"""What runs observed of a testcase at a commit; results that prove nothing are left out here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from infraci.history import Case, Class, Result
from infraci.history.result import LOST, PLAN
from infraci.model.run import Phase, Verdict

#: Failures that the commit's own files may have caused.
FAILURES = frozenset({Class.FAILED, Class.SPEC, Class.SETUP})
#: Runs that overlap by less may have been sequential: their times are whole seconds.
_ROUNDING_S = 2


class Seen(Enum):
    """What one run observed of a testcase."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"  # the commit has no such testcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A result and its place in the order: the history's by time, then those of this search."""

    result: Result
    order: tuple[float, ...]
    is_alone: bool = True  # no other run of a search was beside it


class Evidence:
    """The results of one pipeline's runs on one cloud, with the same overrides, by commit.

    ``read`` reads the results of commits.
    """

    def __init__(
        self,
        read: Callable[[Iterable[str]], Mapping[str, Sequence[Result]]],
        *,
        pipeline: str,
        cloud: str,
        overrides: Sequence[str] = (),
    ) -> None:
        self.pipeline = pipeline
        self.cloud = cloud
        self._kind = (pipeline, cloud, tuple(sorted(overrides)))
        self._read = read
        self._known: dict[str, list[Known]] = {}
        self._added = 0

    def look_up(self, shas: Iterable[str]) -> None:
        """Read the results of commits that have not been read yet."""
        unread = [sha for sha in shas if sha not in self._known]
        by_commit = self._read(unread)
        for sha in unread:
            results = by_commit.get(sha, ())
            self._known[sha] = [
                Known(result=r, order=(0, r.time))
                for r in results
                if (r.pipeline, r.cloud, r.overrides) == self._kind
            ]
        self._find_beside()

    def known(self, sha: str) -> tuple[Known, ...]:
        """The results of a commit, in order, with what is known of their runs."""
        if sha not in self._known:
            self.look_up([sha])
        return tuple(self._known[sha])

    def of(self, sha: str) -> tuple[Result, ...]:
        """The results of a commit, in order."""
        return tuple(known.result for known in self.known(sha))

    def add(self, sha: str, result: Result, *, is_alone: bool = True) -> None:
        """Add a result; it replaces an older one of the same run."""
        self._added += 1
        new = Known(result=result, order=(1, self._added), is_alone=is_alone)
        kept = [k for k in self.known(sha) if not result.run or k.result.run != result.run]
        self._known[sha] = [*kept, new]

    def all(self) -> Iterator[tuple[str, Known]]:
        """All results so far, by commit."""
        for sha, known in self._known.items():
            yield from ((sha, one) for one in known)

    @property
    def mean_s(self) -> float:
        """How long a run took on average; 0 if none is known."""
        times = [known.result.took_s for _, known in self.all() if known.result.took_s]
        return sum(times) / len(times) if times else 0.0

    def _find_beside(self) -> None:
        """Mark the runs of earlier searches that ran at the same time."""
        runs = [k.result for _, k in self.all() if k.order[0] == 0 and k.result.of_search]
        runs.sort(key=lambda result: result.time)
        beside: set[str] = set()
        for number, result in enumerate(runs):
            for later in runs[number + 1 :]:
                if later.time > result.time + result.took_s - _ROUNDING_S:
                    break
                beside |= {result.run, later.run}
        for sha, known in self._known.items():
            self._known[sha] = [
                replace(k, is_alone=k.result.run not in beside) if k.order[0] == 0 else k
                for k in known
            ]


def look(result: Result, case: Case, *, is_doubted: bool = False) -> Seen | None:
    """What a run observed of a testcase; None if it proves nothing.

    A failure counts only if the run lost no server, which could be the cause. For a testcase that
    ``is_doubted``, a mirror that did not answer counts as a failure.
    """
    class_ = _class_of(result, case)
    if class_ is Class.PASSED:
        return Seen.PASSED
    if class_ is None:
        return _look_for_missing(result, case)
    lost = LOST - {Class.OUTSIDE} if is_doubted else LOST
    failures = FAILURES | {Class.OUTSIDE} if is_doubted else FAILURES
    if class_ in failures and lost.isdisjoint(result.cases.values()):
        return Seen.FAILED
    return None


def is_wrong_plan(result: Result) -> bool:
    """Whether the plan failed, in the form of earlier versions: without a testcase."""
    is_plan = result.failure.startswith(Phase.PLAN)
    return result.verdict is Verdict.INVALID and is_plan and not result.cases


def _look_for_missing(result: Result, case: Case) -> Seen | None:
    """What a result observed of a testcase that it does not name.

    A result does not name every testcase that passed: not the parts of a step that passed, and
    resources and phases only if they fail.
    """
    if case == PLAN and is_wrong_plan(result):
        return Seen.FAILED
    if any(_class_of(result, whole) is Class.PASSED for whole in case.wholes):
        return Seen.PASSED
    if case.phase is not Phase.VERIFY:
        if not _is_beyond(result, case.phase):
            return None
        is_step = case.phase is Phase.CONFIGURE and case.test != Phase.CONFIGURE
        return Seen.ABSENT if is_step else Seen.PASSED
    if case.file and "::" not in case.test and _has_test_of(result, case):
        return Seen.PASSED  # the spec was loaded
    if not result.is_complete:
        return None
    return Seen.PASSED if case.test == Phase.VERIFY else Seen.ABSENT


def _is_beyond(result: Result, phase: Phase) -> bool:
    """Whether the run began a phase after that one."""
    order = list(Phase)
    begun = {case.phase for case, how in result.cases.items() if how is not Class.SKIPPED}
    return any(order.index(other) > order.index(phase) for other in begun)


def _has_test_of(result: Result, case: Case) -> bool:
    return any(
        one.test.startswith(f"{case.file}::") and _role(one) == _role(case) for one in result.cases
    )


def _class_of(result: Result, case: Case) -> Class | None:
    """The class of the testcase, or of the same test if its role had more or fewer servers."""
    if case in result.cases:
        return result.cases[case]
    role = _role(case)
    alike = [c for one, c in result.cases.items() if one.test == case.test and _role(one) == role]
    return next((c for c in alike if c in FAILURES), next(iter(alike), None))


def _role(case: Case) -> str:
    return case.where.partition("/")[0]
