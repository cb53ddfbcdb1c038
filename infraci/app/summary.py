"""What several runs have found, a line each."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from infraci.model.run import RunRecord


def print_table(records: Sequence[RunRecord]) -> None:
    """A line a pipeline, as a gate prints it."""
    from rich.console import Console

    from infraci.report.table import Row, render_table

    console = Console(file=sys.stdout, soft_wrap=True)
    console.print(render_table([Row.of(record) for record in records]))
