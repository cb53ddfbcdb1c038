"""``infraci logs``: shows the record, the failures and the files of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from infraci.app.lookup import find_run, ledger_here, state_of
from infraci.app.options import json_option, run_argument
from infraci.app.record_history import blame_lines
from infraci.base.deadline import duration
from infraci.base.json_reader import read_json
from infraci.base.terminal import say_json, say_line
from infraci.ledger.run_folder import RunFolder
from infraci.model.cause import failure_sentence
from infraci.model.run import Outcome, RunRecord


@click.command("logs", short_help="Show what is known of a run: phases, failures, logs, evidence.")
@run_argument
@json_option
@click.option("--files", is_flag=True, help="Only the paths of the logs and of the evidence.")
def command(run_id: str | None, as_json: bool, files: bool) -> None:
    """Show what is known of a run: its phases, what failed and why, its servers' logs."""
    ledger = ledger_here()
    if run_id is None and (records := ledger.list()):
        record = records[-1]
    else:
        record = find_run(ledger, run_id)
    folder = ledger.folder(record.id)
    if as_json:
        say_json(read_json(folder.record.read_bytes()))
    elif files:
        for path in _files(record, folder):
            say_line(path)
    else:
        for line in _lines(record, folder, state_of(record, ledger)):
            say_line(line)


def _lines(record: RunRecord, folder: RunFolder, state: str) -> Iterator[str]:
    commit = record.commit
    cause = failure_sentence(record)
    yield f"run {record.id}: {record.verdict or state}" + (f": {cause}" if cause else "")
    yield f"commit {commit.short} {commit.subject} ({commit.author})"
    if record.base is not None:
        yield f"upgraded from {record.base.short} {record.base.subject} ({record.base.author})"
    yield f"pipeline {record.pipeline} on {record.cloud}, stack {record.stack_name}"
    for result in record.phases:
        state = "failed" if result.failure else "done"
        yield f"{result.label}: {state} in {duration(round(result.duration_s, 1))}"
        if result.failure is not None:
            yield f"  {result.failure.message}"
            if result.failure.hint:
                yield f"  hint: {result.failure.hint}"
            yield from (f"  | {line}" for line in result.failure.details.splitlines())
    yield from blame_lines(record, most=None)
    for testcase in (*record.base_testcases, *record.rollback_testcases, *record.testcases):
        if testcase.outcome in (Outcome.FAILURE, Outcome.ERROR):
            yield f"{testcase.outcome}: {testcase.server}: {testcase.nodeid}"
            yield from (f"  | {line}" for line in (testcase.text or testcase.message).splitlines())
    for log in folder.log_files:
        yield f"==> {log}"
        yield from log.read_text(errors="replace").rstrip("\n").split("\n")
    if record.evidence:
        yield f"evidence in {folder.evidence}:"
        yield from (f"  {name}" for name in record.evidence)
    yield f"report: {folder.junit}"


def _files(record: RunRecord, folder: RunFolder) -> Iterator[Path]:
    yield from folder.log_files
    yield from (folder.path / name for name in record.evidence)
    yield folder.junit
