"""Measures how flaky the other testcases of a pipeline have been."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from infraci.blame.flakiness import share_of
from infraci.blame.observations import FAILURES, Evidence, Seen
from infraci.blame.question import Sighting, healthy_results
from infraci.history import Case, Class

#: A testcase is steady if it has this many results at healthy commits, all of them passes.
_STEADY = 5


def flaky_share(
    evidence: Evidence, line: Sequence[str], *, leaving_out: Collection[Case] = ()
) -> float:
    """The share of flaky testcases to expect of a pipeline, by the results of its commits."""
    by_case: dict[Case, list[Sighting]] = {}
    for position, sha in enumerate(line):
        for known in evidence.known(sha):
            is_lost = known.result.is_lost
            for case, how in known.result.cases.items():
                if case in leaving_out or not (
                    how is Class.PASSED or (how in FAILURES and not is_lost)
                ):
                    continue
                seen = Seen.PASSED if how is Class.PASSED else Seen.FAILED
                sighting = Sighting(position=position, known=known, seen=seen)
                by_case.setdefault(case, []).append(sighting)
    results = [healthy_results(sightings) for sightings in by_case.values()]
    flaky = sum(any(failed) for failed in results)
    return share_of(flaky=flaky, steady=sum(len(r) >= _STEADY and not any(r) for r in results))
