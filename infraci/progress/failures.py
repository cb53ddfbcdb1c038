"""Which failures are shown on a console: one is a line, and many are counted."""

from __future__ import annotations

from collections.abc import Sequence

from infraci.base.invocation import invocation
from infraci.base.shorten import shortened
from infraci.model.run import Testcase
from infraci.report.tally import is_bad

#: So many failures of a run are shown.
MOST_SHOWN = 20
#: So long is a line, whatever it tells.
LONGEST = 500


def fit(text: str) -> str:
    """A line as it fits on a console."""
    return shortened(text, LONGEST)


class Failures:
    """The failures of one run; the first of them are shown, the others are counted."""

    def __init__(self) -> None:
        self._shown = 0
        self._left_out = 0

    def show(self, testcases: Sequence[Testcase]) -> Sequence[Testcase]:
        """The failed testcases that are shown."""
        failed = [testcase for testcase in testcases if is_bad(testcase)]
        shown = failed[: MOST_SHOWN - self._shown]
        self._shown += len(shown)
        self._left_out += len(failed) - len(shown)
        return shown

    def more(self, run_id: str) -> str:
        """The line that tells where all is that was not shown."""
        all_of_it = invocation("logs", run_id)
        if not self._left_out:
            return f"more: {all_of_it}"
        total = self._shown + self._left_out
        return f"{self._left_out} of {total} failures are not shown: {all_of_it}"
