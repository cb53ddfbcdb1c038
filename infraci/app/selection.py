"""Which pipelines are run: those that are named, or those that the commit touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from infraci import git
from infraci.app.checkout import Checkout
from infraci.app.ci_reports import report_wrong
from infraci.history import dump, invalid
from infraci.model.pipeline import Pipeline
from infraci.model.problem import FileError


def load(
    source: Checkout,
    names: Sequence[str],
    cloud: str,
    report: Path | None,
    search: Path | None = None,
) -> list[Pipeline]:
    """The pipelines; should their files be wrong, CI's report or a search is told as well."""
    from infraci.model.decode import load_pipelines

    try:
        return list(load_pipelines(source.tree, names))
    except FileError as error:
        if report is not None:
            _report_files(error, source, cloud, report)
        if search is not None:
            search.write_text(dump(invalid(pipeline=names[0] if names else "", cloud=cloud)))
        raise


def touched(
    source: Checkout, pipelines: Sequence[Pipeline], *, tell: Callable[[str], object]
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


def _report_files(error: FileError, source: Checkout, cloud: str, folder: Path) -> None:
    for name in dict.fromkeys(Path(problem.file).stem for problem in error.problems):
        report_wrong(folder, error, pipeline=name, commit=source.commit, cloud=cloud)
