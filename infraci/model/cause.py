"""Why a run did not pass, in one sentence: what failed where, and the cause."""

from __future__ import annotations

from infraci.base.shorten import shortened
from infraci.model.run import Outcome, Phase, Round, RunRecord, Testcase, Verdict

#: No sentence is longer, whatever a spec has for its reason.
_LONGEST = 500


def cause_of(record: RunRecord) -> str:
    """The first failure, before any error; empty for a run that passed or has no verdict yet."""
    if record.verdict in (None, Verdict.PASSED):
        return ""
    for outcome in (Outcome.FAILURE, Outcome.ERROR):
        for case in record.testcases:
            if case.outcome is outcome:
                return sentence_of(case)
    troubles = [r.trouble for r in record.phases if r.trouble and r.round is Round.HEAD]
    troubles += [r.trouble for r in record.phases if r.trouble]
    return troubles[0].message if troubles else ""


def sentence_of(case: Testcase) -> str:
    """What failed and why: other phases' messages are such sentences, pytest's are not."""
    if case.phase is not Phase.VERIFY:
        return case.message
    where = f"{case.server}: " if case.server else ""
    check = case.nodeid.replace(f"[{case.server}]", "")
    reason = shortened(case.message.removeprefix("AssertionError: "), _LONGEST)
    return f"{where}{check} failed" + (f": {reason}" if reason else "")
