"""Progress as lines, for logs and CI."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence

from infraci.deadline import duration
from infraci.display import displayable
from infraci.heat.values import Event
from infraci.invocation import invocation
from infraci.model.cause import cause_of
from infraci.model.run import (
    Outcome,
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Testcase,
    Trouble,
    Verdict,
    label,
)
from infraci.terminal import shown

_DETAILS = 15
#: Of a longer line, the begin and the end are shown.
_LONG_LINE = re.compile(r"^(.{1000}).{1000,}(.{500})$", re.MULTILINE)
#: So many resources are named in a line.
_NAMES = 6

Write = Callable[[str], object]


class PlainProgress:
    """One line for everything worth a line, each with the time since the run began."""

    def __init__(
        self,
        write: Write,
        *,
        verbosity: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._verbosity = verbosity
        self._clock = clock
        self._began = clock()
        self._lock = threading.RLock()  # a signal's handler may tell something, too

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        """A run begins."""
        self._began = self._clock()
        commit = record.commit
        self._say(f"{record.pipeline}: {commit.short} {commit.subject} (on {record.cloud})", -1)
        self._say(f"should this be lost, clean up by: {cleanup}", -1)

    def phase(self, run_id: str, phase: Phase, round_: Round = Round.HEAD) -> None:
        """A phase begins."""
        self._say(f"{label(phase, round_)} …", 1)

    def phase_done(self, run_id: str, result: PhaseResult) -> None:
        """A phase has ended."""
        took = length(result.duration_s)
        if result.trouble is None:
            self._say(f"{result.label} done in {took}")
            return
        self._say(f"{result.label} failed after {took}{classed(result.trouble)}", -1)
        for line in aftermath(result.trouble):
            self._say(f"  {line}", -1)

    def event(self, *events: Event) -> None:
        """Heat says something: with -v a line an event, else one for all that came at once."""
        for event in events:
            reason = "" if event.reason in ("", "state changed") else f": {event.reason}"
            text = f"heat: {event.stack_name} {event.resource} {event.status}{reason}"
            self._say(displayable(text), 0 if event.is_failure else 1)
        news = digest(events)
        if news and self._verbosity == 0:
            self._say(f"heat: {news}")

    def server(self, name: str, text: str) -> None:
        """A server is at that."""
        self._say(f"{name}: {text}", 1)

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """A server's specs have run."""
        self._say(f"{server}: {tally(testcases)}")
        for testcase in testcases:
            if testcase.outcome in (Outcome.FAILURE, Outcome.ERROR):
                what = displayable(f"{testcase.nodeid}: {testcase.message}")
                self._say(f"  {testcase.outcome}: {what}", -1)

    def note(self, text: str) -> None:
        """A line that matters to the user."""
        self._say(text)

    def end(self, record: RunRecord) -> None:
        """The run is over."""
        self._say(calls(record), 1)
        self._say(ending(record, self._clock() - self._began), -1)
        if record.verdict not in (None, Verdict.PASSED):
            self._say(f"more: {invocation('logs', record.id)}")

    def _say(self, text: str, level: int = 0) -> None:
        if level > self._verbosity:
            return
        with self._lock:
            elapsed_s = self._clock() - self._began
            for line in shortened(shown(text)).splitlines():
                self._write(f"[{elapsed_s:6.1f}] {line}")


def shortened(text: str) -> str:
    """The text without the middle of lines that are longer than anybody reads."""
    return _LONG_LINE.sub(lambda line: f"{line[1]} … {line[2]}", text)


def digest(events: Sequence[Event]) -> str:
    """What several events say in one line: ``created net, subnet; creating web``.

    A resource counts with its last word. Failures are told elsewhere, and what is in nested
    stacks is told by what holds them.
    """
    last = {
        event.resource: event.status.partition("_")
        for event in events
        if not event.is_nested and event.resource != event.stack_name and not event.is_failure
    }
    said: dict[str, list[str]] = {}
    for resource, (action, _, state) in last.items():
        stem = action.lower().removesuffix("e")
        said.setdefault(stem + ("ed" if state == "COMPLETE" else "ing"), []).append(resource)
    return "; ".join(f"{verb} {_some(names)}" for verb, names in said.items())


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def length(seconds: float) -> str:
    """A duration, no finer than it matters: ``0.02 s``, ``4.21 s``, ``75.3 s``."""
    return duration(max(0.01, round(seconds, 2)) if seconds < 10 else round(seconds, 1))


def classed(trouble: Trouble) -> str:
    """What went wrong, after its class where it has one: `` (quota): cannot create …``."""
    category = f" ({trouble.category})" if trouble.category else ""
    return f"{category}: {trouble.message}"


def aftermath(trouble: Trouble) -> list[str]:
    """What helps with trouble: the hint, and the last lines of the story."""
    hint = [f"hint: {trouble.hint}"] if trouble.hint else []
    lines = trouble.details.strip().removeprefix(trouble.message).strip().splitlines()
    return hint + [f"| {line}" for line in lines[-_DETAILS:]]


def tally(testcases: Sequence[Testcase]) -> str:
    """How many checks ended how: ``12 passed, 1 failure``."""
    counts = dict.fromkeys(Outcome, 0)
    for testcase in testcases:
        counts[testcase.outcome] += 1
    said = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    return ", ".join(said) or "no checks"


def calls(record: RunRecord) -> str:
    """How often the cloud was asked: ``57 API calls: compute GET 12, …``."""
    said = ", ".join(f"{what} {number}" for what, number in sorted(record.api_calls.items()))
    return f"{sum(record.api_calls.values())} API calls: {said}" if said else ""


def ending(record: RunRecord, elapsed_s: float) -> str:
    """A run in one line; before it the cause, where it did not pass."""
    cause = cause_of(record)
    head = f"{record.pipeline} {record.verdict}: {cause}\n" if cause else ""
    return head + _ending(record, elapsed_s)


def _ending(record: RunRecord, elapsed_s: float) -> str:
    verdict = record.verdict or "ready"
    checks = f" ({tally(record.testcases)})" if record.testcases else ""
    voting = "" if record.voting or record.verdict is Verdict.PASSED else " (not voting)"
    upgrade = f", upgrade from {record.base.short}" if record.base else ""
    took = length(elapsed_s)
    return f"{record.pipeline}: {verdict}{checks}{upgrade}{voting} in {took}; run {record.id}"


class Silent:
    """Progress that nobody hears."""

    def begin(self, record: RunRecord, *, cleanup: str) -> None: ...  # noqa: D102
    def phase(  # noqa: D102
        self, run_id: str, phase: Phase, round_: Round = Round.HEAD
    ) -> None: ...
    def phase_done(self, run_id: str, result: PhaseResult) -> None: ...  # noqa: D102
    def event(self, *events: Event) -> None: ...  # noqa: D102
    def server(self, name: str, text: str) -> None: ...  # noqa: D102
    def checked(self, server: str, testcases: Sequence[Testcase]) -> None: ...  # noqa: D102
    def note(self, text: str) -> None: ...  # noqa: D102
    def end(self, record: RunRecord) -> None: ...  # noqa: D102
