"""An alert: a pipeline of a branch began to fail with a commit, or recovered with one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infraci.base.display import displayable
from infraci.jenkins.results import PipelineResult

#: The most testcases that an alert names.
_SHOWN = 10


class AlertKind(StrEnum):
    """What the alert reports."""

    FAILURE = "failure"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A change of a pipeline on a branch, which is reported once."""

    kind: AlertKind
    branch: str
    sha: str  # the first commit that fails, or passes again
    result: PipelineResult
    #: Of a failure: the commits since the last good one, up to this one; none if none was good.
    suspects: tuple[str, ...]
    broken_by: str = ""  # of a recovery: the commit that the failure was first seen with

    @property
    def title(self) -> str:
        """A line that says what has changed."""
        what = f"{self.result.pipeline} on {displayable(self.branch)}"
        subject = displayable(self.result.subject)
        if self.kind is AlertKind.RECOVERY:
            return f"{what} has recovered: {self.sha[:10]} {subject}"
        return f"{what} {self.result.verdict}: {self.sha[:10]} {subject}"

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """Further facts, by name."""
        result = self.result
        author = displayable(f"{result.author} <{result.email}>")
        facts = [("verdict", str(result.verdict)), ("commit", self.sha), ("author", author)]
        if self.kind is AlertKind.RECOVERY:
            facts.append(("failed since", self.broken_by))
        elif not self.suspects:
            facts.append(("culprit", "not known: no earlier commit has passed"))
        elif len(self.suspects) == 1:
            facts.append(("culprit", f"{self.sha} (the commit before it passed)"))
        else:
            facts.append(("suspects", ", ".join(sha[:10] for sha in self.suspects)))
        facts += [("build", result.build.url), ("again", result.reproduce)]
        return tuple(facts)

    @property
    def testcases(self) -> tuple[str, ...]:
        """The failures, a line each."""
        lines = [
            f"{f.classname}.{f.name}: {displayable(f.message)}"
            for f in self.result.failures[:_SHOWN]
        ]
        more = len(self.result.failures) - len(lines)
        return (*lines, *([f"and {more} more"] if more else []))

    @property
    def text(self) -> str:
        """The whole alert as plain text."""
        cause = [displayable(self.result.cause)] if self.result.cause else []
        lines = [self.title, *cause, "", *(f"{name}: {value}" for name, value in self.facts)]
        if self.testcases:
            lines += ["", "failed:", *(f"  {line}" for line in self.testcases)]
        return "\n".join(lines) + "\n"
