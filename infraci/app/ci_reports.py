"""Writes reports to the folder that a CI engine reads."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infraci.errors import UsageError
from infraci.model.problem import FileError
from infraci.model.run import Commit, Failure, Phase, PhaseResult, RunRecord, Verdict


def report_path(folder: Path, pipeline: str) -> Path:
    """A pipeline's report, named after it; characters that no file name can hold become "-"."""
    name = re.sub(r"[^A-Za-z0-9._,+\[\]-]", "-", pipeline)
    return folder / f"{name}.xml"


def publish(junit: Path, record: RunRecord, folder: Path) -> None:
    """Copy a run's report to CI's folder."""
    if not junit.exists():
        return
    with writing(folder):
        shutil.copyfile(junit, report_path(folder, record.pipeline))


def report_wrong(
    folder: Path,
    error: FileError,
    *,
    pipeline: str,
    commit: Commit,
    cloud: str,
    voting: bool = True,
    verdict: Verdict = Verdict.INVALID,
) -> None:
    """Report a pipeline whose files are wrong: a failure of the commit."""
    from infraci.report.junit import write_junit

    now = time.time()
    failure = Failure(
        kind=type(error).__name__, message=error.message, hint=error.hint, blames=True
    )
    record = RunRecord(
        id=pipeline,
        pipeline=pipeline,
        voting=voting,
        commit=commit,
        cloud=cloud,
        stack_name="",
        created=now,
        expires=now,
        destroy="always",
        phases=(PhaseResult(phase=Phase.PLAN, started=now, duration_s=0, failure=failure),),
        verdict=verdict,
        destroyed=True,
    )
    with writing(folder):
        write_junit(report_path(folder, pipeline), record)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make the folder for what is written in here; raises UsageError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(f"cannot write the report to {folder}: {error.strerror}") from error
