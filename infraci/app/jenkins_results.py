"""What is known of a commit, for people and as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infraci.base.display import displayable
from infraci.jenkins.results import CommitResult


def lines(result: CommitResult) -> Iterator[str]:
    """A line a pipeline, with what failed below it."""
    verdict = str(result.verdict or "unknown")
    state = ", still building" if result.is_building else ""
    yield f"{result.sha[:10]} {verdict}{state}{_about(result)}"
    for found in result.pipelines:
        voting = "" if found.voting else " (non-voting)"
        failed = f", {len(found.failures)} failed" if found.failures else ""
        yield f"  {found.pipeline}{voting}: {found.verdict}, {found.tests} testcases{failed}"
        if found.cause:
            yield f"    {displayable(found.cause)}"
        yield f"    {found.build.url}"
        for failure in found.failures:
            kind = "error" if failure.is_error else "failure"
            yield f"    {kind}: {failure.classname}.{failure.name}: {displayable(failure.message)}"
        if found.failures:
            yield f"    again: {found.reproduce}"
    for doubt in result.doubts:
        yield f"  note: {doubt}"
    if not result.builds:
        yield "  note: it has no build; `infraci jenkins trigger` asks for one"


def _about(result: CommitResult) -> str:
    if not result.pipelines:
        return ""
    known = result.pipelines[0]
    return f": {displayable(known.subject)} ({displayable(known.author)})"


def as_data(result: CommitResult) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "commit": result.sha,
        "verdict": result.verdict,
        "building": result.is_building,
        "pipelines": [
            {
                "pipeline": found.pipeline,
                "voting": found.voting,
                "verdict": found.verdict,
                "cause": found.cause,
                "author": found.author,
                "email": found.email,
                "subject": found.subject,
                "tests": found.tests,
                "failures": [
                    {
                        "classname": failure.classname,
                        "name": failure.name,
                        "message": failure.message,
                        "error": failure.is_error,
                    }
                    for failure in found.failures
                ],
                "build": found.build.url,
                "again": found.reproduce,
            }
            for found in result.pipelines
        ],
        "notes": list(result.doubts),
    }
