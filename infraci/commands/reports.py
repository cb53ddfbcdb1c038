"""Reports where a CI engine looks for them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infraci.errors import UsageError
from infraci.model.run import RunRecord


def report_path(folder: Path, pipeline: str) -> Path:
    """A pipeline's report: its name, but for what no file's name may hold."""
    name = re.sub(r"[^A-Za-z0-9._,+\[\]-]", "-", pipeline)
    return folder / f"{name}.xml"


def publish(junit: Path, record: RunRecord, folder: Path | None) -> None:
    """Copy a run's report to where CI looks for it."""
    if folder is None or not junit.exists():
        return
    with writing(folder):
        shutil.copyfile(junit, report_path(folder, record.pipeline))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make the folder for what is written in here; raises UsageError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(f"cannot write the report to {folder}: {error.strerror}") from error
