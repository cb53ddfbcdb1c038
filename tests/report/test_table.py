"""The table at the end."""

from __future__ import annotations

import io

from rich.console import Console

from infraci.model.run import Verdict
from infraci.report.table import Row, render_table
from tests.records import record


def test_a_line_a_pipeline() -> None:
    rows = [
        Row.of(record()),
        Row.of(record(pipeline="single[a,b]", voting=False, verdict=Verdict.PASSED, testcases=())),
        Row.of(record(pipeline="broken", verdict=None, phases=())),
    ]
    out = io.StringIO()
    Console(file=out, width=100).print(render_table(rows))
    assert [" ".join(line.split()) for line in out.getvalue().splitlines()] == [
        "three-tier voting FAILED 2 passed, 1 failed, 1 error, 1 skipped in 9.5 s",
        "single[a,b] non-voting PASSED no checks in 9.5 s",
        "broken voting UNKNOWN 2 passed, 1 failed, 1 error, 1 skipped in 0 s",
    ]
