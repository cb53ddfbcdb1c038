"""The table of results at the end of a command: a row for each pipeline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infraci.base.deadline import duration
from infraci.base.terminal import shown
from infraci.model.run import RunRecord, Verdict
from infraci.report.tally import reported, tally

_STYLES = {
    Verdict.PASSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.INVALID: "red",
    Verdict.ERROR: "yellow",
    Verdict.INTERRUPTED: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A pipeline's row."""

    name: str
    voting: bool
    verdict: Verdict | None
    duration_s: float
    checks: str  # "12 passed, 1 failed"

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """The row of a run."""
        return cls(
            name=record.pipeline,
            voting=record.voting,
            verdict=record.verdict,
            duration_s=sum(result.duration_s for result in record.phases),
            checks=_checks(record),
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells in order: name, voting, verdict, checks, time."""
        return (
            self.name,
            "voting" if self.voting else "non-voting",
            (str(self.verdict) if self.verdict else "unknown").upper(),
            self.checks,
            f"in {duration(round(self.duration_s, 1))}",
        )


def render_table(rows: Sequence[Row]) -> Table:
    """Render rows for a terminal; without colours they are plain text in columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for justify in ("left", "left", "left", "left", "right"):
        table.add_column(justify=justify, overflow="fold")
    for row in rows:
        name, voting, verdict, checks, time = row.cells
        style = _STYLES[row.verdict] if row.verdict else "yellow"
        table.add_row(escape(shown(name)), voting, f"[{style}]{verdict}[/]", checks, time)
    return table


def _checks(record: RunRecord) -> str:
    checks = tally(reported(record))
    return f"{checks}, upgrade from {record.base.short}" if record.base else checks


def print_table(records: Sequence[RunRecord]) -> None:
    """Print a line a run to stdout."""
    console = Console(file=sys.stdout, soft_wrap=True)
    console.print(render_table([Row.of(record) for record in records]))
