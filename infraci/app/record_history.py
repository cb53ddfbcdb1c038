"""Writes runs into the history, and what the history says of failures into their reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath

from infraci.base.invocation import invocation
from infraci.base.terminal import say_line
from infraci.diagnosis.phase_testcase import SEPARATOR
from infraci.errors import InfraciError
from infraci.history import Case, History, dump, result_of
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline
from infraci.model.run import Phase, RunRecord, Verdict
from infraci.progress.failures import MOST_SHOWN

#: The verdicts of runs whose failures the history may explain.
_EXPLAINED = (Verdict.FAILED, Verdict.INVALID, Verdict.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """How a run enters the history."""

    write: bool = True
    search: Path | None = None  # the file where a search reads the result, too
    partial: bool = False  # a testcase that is missing may exist all the same


def matters(pipeline: Pipeline, tree: Path) -> Callable[[Case, Sequence[str]], tuple[str, ...]]:
    """What says on which of some files a testcase of the pipeline depends: those of its phase.

    A configure step depends on those before it, and a spec on all of them.
    """
    from infraci.plan.uses import touches, uses

    @cache
    def used(phase: Phase, spec: str, steps: int | None) -> frozenset[PurePosixPath]:
        file = PurePosixPath(spec) if spec else None
        return uses(pipeline, root=tree, spec=file, phase=phase, steps=steps)

    return lambda case, paths: touches(
        paths, used(case.phase, case.file, _steps_until(case, pipeline))
    )


def _steps_until(case: Case, pipeline: Pipeline) -> int | None:
    """How many configure steps there are up to the one that a testcase is of; None for any."""
    name = case.test.removeprefix(f"{Phase.CONFIGURE}{SEPARATOR}")
    if case.phase is not Phase.CONFIGURE or name == case.test:
        return None
    begins = [n for n, step in enumerate(pipeline.configure, 1) if name.startswith(step.title)]
    return max(begins, default=None)


def conclude(
    record: RunRecord,
    *,
    root: Path,
    pipeline: Pipeline,
    tree: Path,
    options: HistoryOptions = HistoryOptions(),
    tell: Callable[[str], None],
) -> RunRecord:
    """Write what a run found into the history, and what that knows of its failures into its report.

    Errors change nothing of what the run has found: ``tell`` gets them. The caller has the run's
    lock.
    """
    try:
        if options.write:
            remember(record, root=root, options=options)
        if options.search is None and record.verdict in _EXPLAINED:
            explained = explain(record, root=root, pipeline=pipeline, tree=tree)
            if explained.blame != record.blame:
                renew(explained, root=root)
            return explained
    except InfraciError as error:
        tell(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))
    return record


def renew(record: RunRecord, *, root: Path) -> None:
    """Write a run's record and its report again."""
    from infraci.report.junit import write_junit

    ledger = Ledger(root)
    ledger.update(record)
    write_junit(ledger.folder(record.id).junit, record)


def remember(record: RunRecord, *, root: Path, options: HistoryOptions) -> None:
    """Write what a run found into the notes of its commit, and for a search into its file."""
    result = result_of(record, of_search=options.search is not None)
    if result is None:
        return
    if options.partial:
        result = replace(result, cut=True)
    if options.search is not None:
        options.search.write_text(dump(result))
    History(root).add(record.commit.sha, [result])


def explain(record: RunRecord, *, root: Path, pipeline: Pipeline, tree: Path) -> RunRecord:
    """The record with what is known of its failures, without making a stack."""
    from infraci.blame.finding_output import summary
    from infraci.blame.inquiry import Inquiry
    from infraci.blame.observations import Evidence
    from infraci.blame.search import Budget

    result = result_of(record)
    if result is None or record.commit.dirty:
        return record
    evidence = Evidence(
        History(root).results,
        pipeline=record.pipeline,
        cloud=record.cloud,
        overrides=record.overrides,
    )
    evidence.add(record.commit.sha, result)
    which = (record.commit.sha[:10], "--pipeline", record.pipeline)
    command = invocation("blame", *which, cloud=record.cloud)
    inquiry = Inquiry(
        root=root,
        head=record.commit,
        pipeline_file=str(pipeline.path),
        evidence=evidence,
        stand_up=lambda shas: [None for _ in shas],
        budget=Budget(runs=0),
        matters=matters(pipeline, tree),
        again=command,
        hint=f"`{command}` finds out",
    )
    findings = inquiry.findings()
    return replace(record, blame={str(f.case or ""): summary(f) for f in findings})


def tell_corrupt(sha: str, why: str) -> None:
    """Say of a line in a note that it is skipped."""
    say_line(f"a note of {sha[:10]} cannot be read: {why}; it is skipped", err=True)


def blame_lines(record: RunRecord, *, most: int | None = MOST_SHOWN) -> Iterator[str]:
    """What blame says of a run's failures: a line for each answer, of many the first ones."""
    by_answer: dict[str, list[str]] = {}
    for case, text in record.blame.items():
        headline = text.partition("\n")[0].removeprefix("blame").strip()
        by_answer.setdefault(headline, []).append(case)
    for headline, (first, *other_cases) in islice(by_answer.items(), most):
        also = f" and {len(other_cases)} more" if other_cases else ""
        yield f"{first}{also}: {headline}" if first else headline
    if most is not None and len(by_answer) > most:
        all_of_it = invocation("logs", record.id)
        more = len(by_answer) - most
        yield f"{more} of {len(by_answer)} answers are not shown: {all_of_it}"
