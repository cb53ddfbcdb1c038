"""The exit code of several runs: that of the worst that votes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infraci.errors import ExitCode
from infraci.model.run import RunRecord, Verdict, exit_code_of
from tests.records import COMMIT

RECORD = RunRecord(
    id="r",
    pipeline="p",
    voting=True,
    commit=COMMIT,
    cloud="local",
    stack_name="s",
    created=0,
    expires=0,
    destroy="always",
)


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ("", ExitCode.PASSED),
        ("passed passed", ExitCode.PASSED),
        ("passed error", ExitCode.UNTESTABLE),
        ("error invalid passed", ExitCode.INVALID),
        ("error failed invalid", ExitCode.FAILED),
        ("failed interrupted", ExitCode.INTERRUPTED),
        ("passed !failed", ExitCode.PASSED),
        ("!error !invalid", ExitCode.PASSED),
        ("error !failed", ExitCode.UNTESTABLE),
        ("passed !interrupted", ExitCode.INTERRUPTED),
    ],
)
def test_exit_code(verdicts: str, code: ExitCode) -> None:
    records = tuple(
        replace(RECORD, verdict=Verdict(word.strip("!")), voting=not word.startswith("!"))
        for word in verdicts.split()
    )
    assert exit_code_of(records) is code
