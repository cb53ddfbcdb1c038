"""Several pipelines of one commit: one after the other, and one verdict of all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infraci.errors import ExitCode
from infraci.model.run import RunRecord, Verdict
from infraci.pipeline import verdict as judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How the pipelines of one commit went."""

    records: tuple[RunRecord, ...]

    @property
    def exit_code(self) -> ExitCode:
        """That of the worst voting pipeline; who does not vote changes nothing.

        An interruption is everybody's.
        """
        return worst(self.records).exit_code


def worst(records: Iterable[RunRecord]) -> Verdict:
    """The worst verdict of the voting runs, interruptions counting always."""
    verdicts = [
        record.verdict or Verdict.PASSED
        for record in records
        if record.voting or record.verdict is Verdict.INTERRUPTED
    ]
    return judge.worst(verdicts)
