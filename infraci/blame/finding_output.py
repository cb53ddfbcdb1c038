"""Formats findings, as text for people and as data for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infraci.base.deadline import duration
from infraci.base.invocation import invocation
from infraci.blame.finding import Culprit, Finding, FindingKind

#: What each answer is called.
TITLES: Mapping[FindingKind, str] = {
    FindingKind.NEW: "new failure",
    FindingKind.BEFORE: "was there before",
    FindingKind.FLAKY: "flaky",
    FindingKind.WORLD: "the world changed",
    FindingKind.OUTSIDE: "outside",
    FindingKind.INFRASTRUCTURE: "infrastructure",
    FindingKind.UNKNOWN: "unknown",
}


def percent(probability: float) -> str:
    """Format a probability; never 0 % or 100 %, which no number of runs gives."""
    return f"{min(max(probability, 0.001), 0.999):.1%}".replace(".0%", "%").replace("%", " %")


def headline(finding: Finding) -> str:
    """The answer in a line."""
    return f"{TITLES[finding.kind]}: {_answer(finding)}"


def _answer(finding: Finding) -> str:
    chance = percent(finding.probability)
    if finding.culprit is not None:
        word = "since" if finding.kind is FindingKind.BEFORE else "broken by"
        return f"{word} {_named(finding.culprit)} ({chance})"
    if finding.since is not None:
        return f"at {finding.since.short} {finding.since.subject} already ({chance})"
    if finding.kind is FindingKind.FLAKY:
        return f"fails {finding.failed} of {finding.ran} runs, and no commit broke it ({chance})"
    if finding.kind in (FindingKind.WORLD, FindingKind.OUTSIDE):
        return f"{finding.why}; no commit is blamed ({chance})"
    if finding.kind is FindingKind.INFRASTRUCTURE:
        return f"{finding.why}; no commit is blamed"
    return finding.why + _likely(finding)


def _likely(finding: Finding) -> str:
    """The most probable suspect, and how many stacks are needed to know more."""
    if not finding.suspects:
        return ""
    best = max(finding.suspects, key=lambda suspect: suspect.probability)
    text = f"; most suspicious is {_named(best)} ({percent(best.probability)})"
    if finding.runs_left:
        text += f"; about {_stacks(finding.runs_left)} more would tell"
    if finding.time_left_s:
        text += f", in {duration(round(finding.time_left_s))}"
    return text


def _named(culprit: Culprit) -> str:
    commit = culprit.commit
    return f"{commit.short} {commit.subject}, by {commit.author}"


def _stacks(count: int) -> str:
    return f"{count} stack{'' if count == 1 else 's'}"


def summary(finding: Finding) -> str:
    """The answer, its proof and the command that repeats the search, for a failure's text."""
    lines = [f"blame    {headline(finding)}"]
    if finding.culprit is not None and finding.culprit.files:
        lines.append(f"changed  {', '.join(finding.culprit.files[:8])}")
    if finding.proof:
        lines.append(f"proof    {_proof(finding)}")
    lines += [f"{word:<9}{text}" for word, text in _remarks(finding)]
    if finding.kind in (FindingKind.UNKNOWN, FindingKind.BEFORE) and finding.again:
        lines.append(f"search   {finding.again}")
    return "\n".join(lines)


def _remarks(finding: Finding) -> Iterator[tuple[str, str]]:
    """Further remarks, each with the word before it."""
    if finding.revert is not None:
        result = "mended: it passes" if finding.revert else "still fails"
        yield "revert", f"{result} at {finding.head.short} without that commit"
    if finding.culprit is not None and finding.why:
        yield "why", finding.why
    if finding.note:
        yield "note", finding.note


def _proof(finding: Finding) -> str:
    runs = (f"{p.run} {'failed' if p.failed else 'passed'} at {p.sha[:10]}" for p in finding.proof)
    return ", ".join(runs)


def as_text(findings: Sequence[Finding]) -> str:
    """All findings as text; those with the same answer are in one group."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.pipeline, headline(finding)), []).append(finding)
    return "\n\n".join("\n".join(_group(group)) for group in groups.values())


def _group(group: Sequence[Finding]) -> Iterator[str]:
    first = group[0]
    for finding in group:
        yield f"{first.pipeline}: {finding.case or 'the commit ' + first.head.short}"
    yield f"  {headline(first)}"
    culprit = first.culprit
    if culprit is not None:
        yield f"    commit   {culprit.commit.sha}"
        yield f"    author   {culprit.commit.author} <{culprit.commit.email}>"
        yield f"    date     {culprit.commit.date}"
        yield f"    subject  {culprit.commit.subject}"
        yield f"    changed  {', '.join(culprit.files) or 'no file'}"
    for suspect in first.suspects:
        yield f"    {percent(suspect.probability):>7}  {_named(suspect)}"
    for proof in first.proof:
        yield f"    {'failed' if proof.failed else 'passed'}   {proof.sha[:10]} in run {proof.run}"
    for word, text in _remarks(first):
        yield f"    {word:<9}{text}"
    for sha, why in (first.skipped or {}).items():
        yield f"    skipped  {sha[:10]}: {why}"
    if culprit is not None:
        which = ("--commit", culprit.commit.sha[:10], first.pipeline)
        yield f"    again    {invocation('run', *which, cloud=first.cloud)}"
    if first.again:
        yield f"    search   {first.again}"
    if culprit is not None and culprit.diff:
        yield ""
        yield from (f"    {line}".rstrip() for line in culprit.diff.splitlines())


def as_data(findings: Sequence[Finding], *, spent: int) -> dict[str, Any]:
    """All findings for programs."""
    return {"stacks": spent, "findings": [_finding(finding) for finding in findings]}


def _finding(finding: Finding) -> dict[str, Any]:
    case = finding.case
    return {
        "pipeline": finding.pipeline,
        "commit": finding.head.sha,
        "where": case.where if case else None,
        "test": case.test if case else None,
        "verdict": finding.kind,
        "headline": headline(finding),
        "probability": round(finding.probability, 6),
        "culprit": _culprit(finding.culprit) if finding.culprit else None,
        "since": finding.since.sha if finding.since else None,
        "suspects": [_culprit(suspect) for suspect in finding.suspects],
        "failed": finding.failed,
        "ran": finding.ran,
        "why": finding.why,
        "stacks_to_know": finding.runs_left,
        "seconds_to_know": round(finding.time_left_s),
        "proof": [{"run": p.run, "commit": p.sha, "failed": p.failed} for p in finding.proof],
        "skipped": dict(finding.skipped or {}),
        "again": finding.again,
        "revert": _REVERTS[finding.revert],
        "note": finding.note,
    }


_REVERTS = {None: None, True: "mended", False: "still fails"}


def _culprit(culprit: Culprit) -> dict[str, Any]:
    commit = culprit.commit
    return {
        "sha": commit.sha,
        "author": commit.author,
        "email": commit.email,
        "date": commit.date,
        "subject": commit.subject,
        "probability": round(culprit.probability, 6),
        "files": list(culprit.files),
        "diff": culprit.diff,
    }
