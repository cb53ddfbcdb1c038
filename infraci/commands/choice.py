"""Which pipelines are run: those that are named, or those that the commit touches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infraci import git
from infraci.commands.reports import writing
from infraci.commands.source import Source
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError
from infraci.model.run import Phase, PhaseResult, RunRecord, Trouble, Verdict


def load(source: Source, names: Sequence[str], cloud: str, report: Path | None) -> list[Pipeline]:
    """The pipelines; should their files be wrong, CI's report says so as well."""
    from infraci.model.decode import load_pipelines

    try:
        return list(load_pipelines(source.tree, names))
    except FileError as error:
        if report is not None:
            _report_files(error, source, cloud, report)
        raise


def touched(
    source: Source, pipelines: Sequence[Pipeline], *, tell: Callable[[str], object]
) -> list[Pipeline]:
    """Those that the commit touches, saying of each why it is run or left."""
    from infraci.plan.touched import choose_touched

    changed = git.changed_files(source.root, source.commit)
    if changed is None:
        if len(pipelines) > 1:
            tell("all pipelines: run, as this commit has no parent here to compare it with")
        return list(pipelines)
    choices = choose_touched(pipelines, changed, root=source.tree)
    if len(choices) > 1 or not all(choice.touched for choice in choices):
        for choice in choices:
            tell(str(choice))
    chosen = [choice.pipeline for choice in choices if choice.touched]
    if not chosen:
        tell(f"nothing to run for {source.commit.short} (--all runs every pipeline)")
    return chosen


def _report_files(error: FileError, source: Source, cloud: str, folder: Path) -> None:
    from infraci.report.junit import write_junit

    now = time.time()
    for name in dict.fromkeys(Path(problem.file).stem for problem in error.problems):
        trouble = Trouble(kind=type(error).__name__, message=error.message, hint=error.hint)
        record = RunRecord(
            id=name,
            pipeline=name,
            voting=True,
            commit=source.commit,
            cloud=cloud,
            stack_name="",
            created=now,
            expires=now,
            destroy="always",
            phases=(PhaseResult(phase=Phase.PLAN, started=now, duration_s=0, trouble=trouble),),
            verdict=Verdict.INVALID,
            destroyed=True,
        )
        with writing(folder):
            write_junit(folder / f"{name}.xml", record)
