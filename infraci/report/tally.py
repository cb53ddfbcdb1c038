"""Counts testcases by outcome: equal numbers on the console, in the table and in JUnit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from infraci.model.run import Outcome, RunRecord, Testcase
from infraci.report.suites import suites


def tally(testcases: Iterable[Testcase]) -> str:
    """Count testcases by outcome: ``12 passed, 1 failed``."""
    counts = Counter(case.outcome for case in testcases)
    words = (
        (Outcome.PASSED, "passed"),
        (Outcome.FAILURE, "failed"),
        (Outcome.ERROR, "error" if counts[Outcome.ERROR] == 1 else "errors"),
        (Outcome.SKIPPED, "skipped"),
    )
    shown = [f"{counts[outcome]} {word}" for outcome, word in words if counts[outcome]]
    return ", ".join(shown) or "no checks"


def is_bad(testcase: Testcase) -> bool:
    """Whether it failed, or could not be tested."""
    return testcase.outcome in (Outcome.FAILURE, Outcome.ERROR)


def reported(record: RunRecord) -> Iterator[Testcase]:
    """Yield the testcases that a run's JUnit report contains, in its order."""
    for suite in suites(record, Path()):
        yield from suite.cases
