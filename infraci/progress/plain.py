"""Progress as lines, for logs and CI."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from infraci.base.deadline import duration
from infraci.base.display import displayable
from infraci.base.terminal import shown
from infraci.heat.objects import Event
from infraci.model.cause import failure_sentence
from infraci.model.run import (
    Failure,
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Testcase,
    Verdict,
    label,
)
from infraci.progress.failures import Failures, fit
from infraci.progress.now import Now, named
from infraci.progress.ticker import Ticker
from infraci.report.tally import reported, tally

_DETAILS = 15
#: The most lines of an error that are shown: a plan may name many problems of many files.
_MOST_LINES = 30

#: How often in that time the silence is checked.
_LOOKS = 4

Write = Callable[[str], object]


class PlainProgress:
    """Writes a line for each message, with the time since the run began.

    With ``silence_s``, a line says after so long a silence what the run waits for.
    """

    def __init__(
        self,
        write: Write,
        *,
        verbosity: int = 0,
        silence_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._verbosity = verbosity
        self._silence_s = silence_s
        self._ticker: Ticker | None = None
        self._clock = clock
        self._began = self._spoke = clock()
        self._lock = threading.RLock()  # a signal's handler may write, too
        self._now = Now()
        self._failures = Failures()

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        """A run begins."""
        self._began = self._clock()
        self._now, self._failures = Now(), Failures()
        commit = record.commit
        self._say(f"{record.pipeline}: {commit.short} {commit.subject} (on {record.cloud})", -1)
        self._say(f"should this be lost, clean up by: {cleanup}", -1)
        if self._silence_s is not None and self._ticker is None:
            self._ticker = Ticker(self.remind, every_s=self._silence_s / _LOOKS)

    def phase(self, run_id: str, phase: Phase, round_: Round = Round.HEAD) -> None:
        """A phase begins."""
        with self._lock:
            self._now.begin(label(phase, round_))
        self._say(f"{label(phase, round_)} …", 1)

    def phase_done(self, run_id: str, result: PhaseResult) -> None:
        """A phase has ended."""
        with self._lock:
            self._now.begin("")
        took = length(result.duration_s)
        if result.failure is None:
            self._say(f"{result.label} done in {took}")
            return
        head, *lines = failure_lines(result.failure)
        self._say(f"{result.label} failed after {took}{head}", -1)
        for line in lines:
            self._say(f"  {line}", -1)

    def event(self, *events: Event) -> None:
        """Events of Heat: with -v a line an event, else one for all that came at once."""
        for event in events:
            with self._lock:
                self._now.event(event)
            reason = "" if event.reason in ("", "state changed") else f": {event.reason}"
            text = f"heat: {event.path or event.resource} {event.status}{reason}"
            self._say(displayable(text), 0 if event.is_failure else 1)
        news = digest(events)
        if news and self._verbosity == 0:
            self._say(f"heat: {news}")

    def server(self, name: str, text: str, *, is_detail: bool = False) -> None:
        """A server has this status."""
        with self._lock:
            self._now.server(name, text)
        if not is_detail:
            self._say(f"{name}: {text}", 1)

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """A server's specs have run."""
        with self._lock:
            self._now.server(server, tally(testcases), is_done=True)
            failed = self._failures.show(testcases)
        self._say(f"{server}: {tally(testcases)}")
        for testcase in failed:
            what = displayable(f"{testcase.nodeid}: {testcase.message}")
            self._say(f"  {testcase.outcome}: {what}", -1)

    def note(self, text: str) -> None:
        """A line that matters to the user."""
        self._say(text)

    def remind(self) -> None:
        """After a silence, write what the run waits for."""
        with self._lock:
            silent_s = self._clock() - self._spoke
            if self._now.phase and self._silence_s is not None and silent_s >= self._silence_s:
                self._say(f"still at {self._now.waiting}")

    def end(self, record: RunRecord) -> None:
        """The run is over."""
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
        self._say(calls(record), 1)
        for line in ending(record, self._clock() - self._began):
            self._say(line, -1)
        if record.verdict not in (None, Verdict.PASSED):
            self._say(self._failures.more(record.id))

    def _say(self, text: str, level: int = 0) -> None:
        if level > self._verbosity:
            return
        with self._lock:
            self._spoke = self._clock()
            elapsed_s = self._spoke - self._began
            for line in shown(text).splitlines():
                self._write(f"[{elapsed_s:6.1f}] {fit(line)}")


def digest(events: Sequence[Event]) -> str:
    """Several events in one line: ``created net, subnet; creating web``.

    Of each resource the last event counts. Failures have lines of their own, and resources of
    nested stacks are left to the resources that hold them.
    """
    last = {
        event.resource: event.status.partition("_")
        for event in events
        if not event.is_nested and event.resource != event.stack_name and not event.is_failure
    }
    resources_by_verb: dict[str, list[str]] = {}
    for resource, (action, _, state) in last.items():
        stem = action.lower().removesuffix("e")
        resources_by_verb.setdefault(stem + ("ed" if state == "COMPLETE" else "ing"), []).append(
            resource
        )
    return "; ".join(f"{verb} {named(names)}" for verb, names in resources_by_verb.items())


def length(seconds: float) -> str:
    """A duration, rounded to what matters: ``0.02 s``, ``4.21 s``, ``75.3 s``."""
    return duration(max(0.01, round(seconds, 2)) if seconds < 10 else round(seconds, 1))


def failure_lines(failure: Failure) -> list[str]:
    """What went wrong, in a few lines; the first one follows the name of what failed."""
    first, *rest = classed(failure).splitlines()
    more = len(rest) - _MOST_LINES
    rest[_MOST_LINES:] = [f"… and {more} more lines"] if more > 0 else []
    return [first, *rest, *aftermath(failure)]


def classed(failure: Failure) -> str:
    """What went wrong, after its class where it has one: `` (quota): cannot create …``."""
    category = f" ({failure.category})" if failure.category else ""
    return f"{category}: {failure.message}"


def aftermath(failure: Failure) -> list[str]:
    """What follows a failure's message: the hint, and the last lines of its details."""
    hint = [f"hint: {failure.hint}"] if failure.hint else []
    lines = failure.details.strip().removeprefix(failure.message).strip().splitlines()
    return hint + [f"| {line}" for line in lines[-_DETAILS:]]


def calls(record: RunRecord) -> str:
    """The number of API calls: ``57 API calls: compute GET 12, …``."""
    counts = ", ".join(f"{what} {number}" for what, number in sorted(record.api_calls.items()))
    return f"{sum(record.api_calls.values())} API calls: {counts}" if counts else ""


def ending(record: RunRecord, elapsed_s: float) -> list[str]:
    """A run in one line; before it the first one of the cause, where it did not pass."""
    cause = failure_sentence(record).partition("\n")[0]
    head = [f"{record.pipeline} {record.verdict}: {cause}"] if cause else []
    return [*head, _ending(record, elapsed_s)]


def _ending(record: RunRecord, elapsed_s: float) -> str:
    verdict = record.verdict or "ready"
    checks = f" ({tally(reported(record))})" if record.testcases else ""
    voting = "" if record.voting or record.verdict is Verdict.PASSED else " (not voting)"
    upgrade = f", upgrade from {record.base.short}" if record.base else ""
    took = length(elapsed_s)
    return f"{record.pipeline}: {verdict}{checks}{upgrade}{voting} in {took}; run {record.id}"


class Silent:
    """Progress that shows nothing."""

    def begin(self, record: RunRecord, *, cleanup: str) -> None: ...  # noqa: D102
    def phase(  # noqa: D102
        self, run_id: str, phase: Phase, round_: Round = Round.HEAD
    ) -> None: ...
    def phase_done(self, run_id: str, result: PhaseResult) -> None: ...  # noqa: D102
    def event(self, *events: Event) -> None: ...  # noqa: D102
    def server(self, name: str, text: str, *, is_detail: bool = False) -> None: ...  # noqa: D102
    def checked(self, server: str, testcases: Sequence[Testcase]) -> None: ...  # noqa: D102
    def note(self, text: str) -> None: ...  # noqa: D102
    def end(self, record: RunRecord) -> None: ...  # noqa: D102
