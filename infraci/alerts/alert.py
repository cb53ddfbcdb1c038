"""An alert: a pipeline of a branch began to fail with a commit, or recovered with one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infraci.base.display import displayable
from infraci.jenkins.results import PipelineResult

#: More testcases than this are counted only.
_SHOWN = 10


class AlertKind(StrEnum):
    """What has happened."""

    FAILURE = "failure"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that people want to know, once."""

    kind: AlertKind
    branch: str
    sha: str  # the first commit that is known to fail, or to be well again
    result: PipelineResult
    #: Of a failure: the commits since the last good one, this one the last; none if none was good.
    suspects: tuple[str, ...]
    broken_by: str = ""  # of a recovery: the commit that the failure was first seen with

    @property
    def title(self) -> str:
        """One line for all who are told."""
        what = f"{self.result.pipeline} on {displayable(self.branch)}"
        subject = displayable(self.result.subject)
        if self.kind is AlertKind.RECOVERY:
            return f"{what} has recovered: {self.sha[:10]} {subject}"
        return f"{what} {self.result.verdict}: {self.sha[:10]} {subject}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is known, by name."""
        result = self.result
        author = displayable(f"{result.author} <{result.email}>")
        facts = [("verdict", str(result.verdict)), ("commit", self.sha), ("author", author)]
        if self.kind is AlertKind.RECOVERY:
            facts.append(("failed since", self.broken_by))
        elif not self.suspects:
            facts.append(("culprit", "not known: it has not been seen well before"))
        elif len(self.suspects) == 1:
            facts.append(("culprit", f"{self.sha} (the commit before it was well)"))
        else:
            facts.append(("suspects", ", ".join(sha[:10] for sha in self.suspects)))
        facts += [("build", result.build.url), ("again", result.reproduce)]
        return tuple(facts)

    @property
    def testcases(self) -> tuple[str, ...]:
        """What failed, a line each."""
        lines = [
            f"{f.classname}.{f.name}: {displayable(f.message)}"
            for f in self.result.failures[:_SHOWN]
        ]
        more = len(self.result.failures) - len(lines)
        return (*lines, *([f"and {more} more"] if more else []))

    @property
    def text(self) -> str:
        """All of it, as plain text."""
        cause = [displayable(self.result.cause)] if self.result.cause else []
        lines = [self.title, *cause, "", *(f"{name}: {value}" for name, value in self.facts)]
        if self.testcases:
            lines += ["", "failed:", *(f"  {line}" for line in self.testcases)]
        return "\n".join(lines) + "\n"
