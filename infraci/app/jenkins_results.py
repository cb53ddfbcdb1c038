"""The results of a commit's builds, as lines and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infraci.base.display import displayable
from infraci.jenkins.results import CommitResult


def lines(result: CommitResult) -> Iterator[str]:
    """A line a pipeline, with what failed below it."""
    verdict = str(result.verdict or "unknown")
    state = ", still building" if result.is_building else ""
    yield f"{result.sha[:10]} {verdict}{state}{_subject(result)}"
    for outcome in result.pipelines:
        voting = "" if outcome.voting else " (non-voting)"
        failed = f", {len(outcome.failures)} failed" if outcome.failures else ""
        yield f"  {outcome.pipeline}{voting}: {outcome.verdict}, {outcome.tests} testcases{failed}"
        if outcome.cause:
            yield f"    {displayable(outcome.cause)}"
        yield f"    {outcome.build.url}"
        for failure in outcome.failures:
            kind = "error" if failure.is_error else "failure"
            yield f"    {kind}: {failure.classname}.{failure.name}: {displayable(failure.message)}"
        if outcome.failures:
            yield f"    again: {outcome.reproduce}"
    for doubt in result.doubts:
        yield f"  note: {doubt}"
    if not result.builds:
        yield "  note: it has no build; `infraci jenkins trigger` asks for one"


def _subject(result: CommitResult) -> str:
    if not result.pipelines:
        return ""
    first = result.pipelines[0]
    return f": {displayable(first.subject)} ({displayable(first.author)})"


def as_data(result: CommitResult) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "commit": result.sha,
        "verdict": result.verdict,
        "building": result.is_building,
        "pipelines": [
            {
                "pipeline": outcome.pipeline,
                "voting": outcome.voting,
                "verdict": outcome.verdict,
                "cause": outcome.cause,
                "author": outcome.author,
                "email": outcome.email,
                "subject": outcome.subject,
                "tests": outcome.tests,
                "failures": [
                    {
                        "classname": failure.classname,
                        "name": failure.name,
                        "message": failure.message,
                        "error": failure.is_error,
                    }
                    for failure in outcome.failures
                ],
                "build": outcome.build.url,
                "again": outcome.reproduce,
            }
            for outcome in result.pipelines
        ],
        "notes": list(result.doubts),
    }
