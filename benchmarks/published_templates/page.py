"""docs/published-templates.md, written of results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.published_templates.exclusions import Reason
from benchmarks.published_templates.results import Result, Standing, by_collection, ranking

PAGE = Path(__file__).parents[2] / "docs" / "published-templates.md"
_BEGIN = "<!-- written by python -m benchmarks.published_templates --write-docs -->\n"


def write_page(results: Sequence[Result]) -> None:
    """Replace all of the page that comes after the mark."""
    head, mark, _ = PAGE.read_text().partition(_BEGIN)
    PAGE.write_text(head + mark + "\n" + "\n".join(lines(results)) + "\n")


def lines(results: Sequence[Result]) -> Iterator[str]:
    """Yield the part of the page that is written of results."""
    yield from summary(results)
    yield from ("", "## Why usable stacks are not planned", "")
    yield from ("| problem | stacks | of them with no other |", "|---|---|---|")
    for kind, count, alone, _ in ranking(results):
        yield f"| {_escaped(kind)} | {count} | {alone} |"
    yield from ("", "## The files")
    for name, group in by_collection(results).items():
        yield from ("", f"### {name}", "")
        yield from _files(group)


def summary(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of a table: a row for each collection, and one for all."""
    reasons = list(Reason)
    titles = [
        "collection",
        "files",
        "fragments",
        *reasons,
        "usable",
        "planned",
        "tried",
        "stood up",
    ]
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    groups = by_collection(results)
    for name, group in (*groups.items(), ("all", list(results))):
        tried = [r for r in group if r.standing in (Standing.FAILED, Standing.STOOD_UP)]
        numbers = [
            len(group),
            sum(bool(result.part_of) for result in group),
            *(sum(result.excluded is reason for result in group) for reason in reasons),
            sum(result.is_usable for result in group),
            sum(result.is_planned for result in group),
            len(tried),
            sum(result.standing is Standing.STOOD_UP for result in tried),
        ]
        yield f"| {name} | " + " | ".join(map(str, numbers)) + " |"


def _files(group: Iterable[Result]) -> Iterator[str]:
    group = list(group)
    planned = [result for result in group if result.is_planned]
    yield from _list("Planned", ((_name(result), _standing(result)) for result in planned))
    refused = [result for result in group if result.is_usable and not result.is_planned]
    yield from _list("Usable, not planned", ((_name(r), r.problems[0]) for r in refused))
    for reason in Reason:
        excluded = [result for result in group if result.excluded is reason]
        yield from _list(f"Excluded: {reason}", ((_name(r), r.detail) for r in excluded))
    yield from _list("Fragments", ((_name(r), r.part_of) for r in group if r.part_of))


def _list(title: str, entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    lines = [f"- {name}" + (f": {_escaped(text)}" if text else "") for name, text in entries]
    if lines:
        yield from (f"{title} ({len(lines)}):", "", *lines, "")


def _name(result: Result) -> str:
    return f"`{result.file}`"


def _standing(result: Result) -> str:
    if result.standing in (Standing.NOT_TRIED, Standing.STOOD_UP):
        return str(result.standing) if result.standing is Standing.STOOD_UP else ""
    return f"{result.standing}: {result.story}" if result.story else str(result.standing)


def _escaped(text: str) -> str:
    """A message as a part of a line of Markdown."""
    line = " ".join(text.split()).replace("|", "\\|").replace("<", "\\<").replace("*", "\\*")
    return line if len(line) <= 200 else line[:199] + "…"
