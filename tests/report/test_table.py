"""The table at the end."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from rich.console import Console

from infraci.model.run import Verdict
from infraci.report.junit import write_junit
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
        "three-tier voting FAILED 5 passed, 1 failed, 1 error, 1 skipped in 9.5 s",
        "single[a,b] non-voting PASSED 3 passed in 9.5 s",
        "broken voting UNKNOWN 2 passed, 1 failed, 1 error, 1 skipped in 0 s",
    ]


def test_the_table_counts_what_the_report_has(tmp_path: Path) -> None:
    run = record()
    write_junit(tmp_path / "junit.xml", run)
    root = ET.parse(tmp_path / "junit.xml").getroot()
    counted = sum(int(word) for word in re.findall(r"\d+", Row.of(run).checks))
    assert counted == int(root.get("tests", ""))
