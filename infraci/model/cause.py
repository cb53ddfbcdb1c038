"""Says in one sentence why a run did not pass: what failed where, and the cause."""

from __future__ import annotations

from infraci.base.shorten import shortened
from infraci.model.run import Outcome, Phase, Round, RunRecord, Testcase, Verdict

#: A spec's reason is shortened to so many characters.
_LONGEST = 500


def failure_sentence(record: RunRecord) -> str:
    """The first failure, before any error; empty for a run that passed or has no verdict yet."""
    if record.verdict in (None, Verdict.PASSED):
        return ""
    for outcome in (Outcome.FAILURE, Outcome.ERROR):
        for case in record.testcases:
            if case.outcome is outcome:
                return sentence_of(case)
    failures = [r.failure for r in record.phases if r.failure and r.round is Round.HEAD]
    failures += [r.failure for r in record.phases if r.failure]
    return failures[0].message if failures else ""


def sentence_of(case: Testcase) -> str:
    """What failed and why; of a spec, pytest's message alone would not say what failed."""
    if case.phase is not Phase.VERIFY:
        return case.message
    where = f"{case.server}: " if case.server else ""
    check = case.nodeid.replace(f"[{case.server}]", "")
    reason = shortened(case.message.removeprefix("AssertionError: "), _LONGEST)
    return f"{where}{check} failed" + (f": {reason}" if reason else "")
