"""Progress as a live view in a terminal: what is done scrolls by, what goes on stays below."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from infraci.base.deadline import duration
from infraci.base.terminal import shown
from infraci.heat.objects import Event
from infraci.model.run import (
    Phase,
    PhaseResult,
    Round,
    RunRecord,
    Testcase,
    Verdict,
    label,
)
from infraci.progress.failures import Failures, fit
from infraci.progress.now import Now
from infraci.progress.plain import calls, ending, failure_lines, length
from infraci.report.tally import is_bad, tally

_STYLES = {
    Verdict.PASSED: "bold green",
    Verdict.FAILED: "bold red",
    Verdict.INVALID: "bold red",
    Verdict.ERROR: "bold yellow",
    Verdict.INTERRUPTED: "bold yellow",
}

#: So many columns are left free: the terminal writes `^C` behind the view, and a line that this
#: breaks would stay behind.
_ECHO = 3


class LiveProgress:
    """The phase at work, the servers and Heat's resources in it, and the time."""

    def __init__(
        self,
        *,
        verbosity: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._verbosity = verbosity
        self._clock = clock
        self._lock = threading.RLock()  # a signal's handler may write, too
        self._live: Live | None = None
        self._began = clock()
        self._phase_began = clock()
        self._now = Now()
        self._failures = Failures()

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        """A run begins."""
        self._began = self._clock()
        self._now, self._failures = Now(), Failures()
        commit = record.commit
        head = f"[bold]{_text(record.pipeline)}[/]  {commit.short} {_text(commit.subject)}"
        self._print(f"{head}  [dim]on {_text(record.cloud)}[/]")
        self._print(f"[dim]should this be lost, clean up by:[/] {_text(cleanup)}")
        self._live = Live(
            get_renderable=self._view,
            console=self._console,
            transient=True,
            refresh_per_second=8,
        )
        self._live.start()

    def phase(self, run_id: str, phase: Phase, round_: Round = Round.HEAD) -> None:
        """A phase begins."""
        with self._lock:
            self._now.begin(label(phase, round_))
            self._phase_began = self._clock()

    def phase_done(self, run_id: str, result: PhaseResult) -> None:
        """A phase has ended."""
        with self._lock:
            self._now.begin("")
        took = f"[dim]{length(result.duration_s)}[/]"
        if result.failure is None:
            self._print(f"[green]✓[/] {result.label:<10} {took}")
            return
        head, *lines = failure_lines(result.failure)
        self._print(f"[red]✗[/] {result.label:<10} {took}{_text(head)}")
        for line in lines:
            self._print(f"  [dim]{_text(line)}[/]")

    def event(self, *events: Event) -> None:
        """Heat says something."""
        for event in events:
            with self._lock:
                self._now.event(event)
            if event.is_failure or self._verbosity > 0:
                self._print(f"[dim]{_text(str(event))}[/]")

    def server(self, name: str, text: str, *, is_detail: bool = False) -> None:
        """A server is at that."""
        with self._lock:
            self._now.server(name, text)
        if self._verbosity > 0 and not is_detail:
            self._print(f"[dim]{_text(name)}: {_text(text)}[/]")

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """A server's specs have run."""
        with self._lock:
            self._now.server(server, tally(testcases), is_done=True)
            failed = self._failures.show(testcases)
        mark = "[red]✗[/]" if any(map(is_bad, testcases)) else "[green]✓[/]"
        self._print(f"  {mark} {_text(server)}: {tally(testcases)}")
        for testcase in failed:
            self._print(
                f"    [red]{testcase.outcome}[/] {_text(testcase.nodeid)}: "
                f"{_text(testcase.message)}"
            )

    def note(self, text: str) -> None:
        """A line that matters to the user."""
        self._print(f"[yellow]{_text(text)}[/]")

    def end(self, record: RunRecord) -> None:
        """The run is over."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._verbosity > 0:
            self._print(f"[dim]{_text(calls(record))}[/]")
        style = _STYLES[record.verdict] if record.verdict else "bold"
        for line in ending(record, self._clock() - self._began):
            self._print(f"[{style}]{_text(line)}[/]")
        if record.verdict not in (None, Verdict.PASSED):
            self._print(f"[dim]{self._failures.more(record.id)}[/]")

    def _print(self, markup: str) -> None:
        self._console.print(markup, soft_wrap=True)

    def _view(self) -> RenderableType:
        with self._lock:
            phase, servers, resources = (
                self._now.phase,
                dict(self._now.servers),
                self._now.resources,
            )
        if not phase:
            return Text("")
        took = duration(round(self._clock() - self._phase_began))
        line = Table.grid(padding=(0, 1))
        line.add_row(Spinner("dots"), Text(phase), Text(took, style="dim"))
        parts: list[RenderableType] = [line]
        if resources:
            parts.append(
                Text(shown(f"  {resources}"), style="dim", no_wrap=True, overflow="ellipsis")
            )
        first = list(servers.items())[: max(1, self._console.height - 6)]
        parts += [
            Text(shown(f"  {name}: {text}"), no_wrap=True, overflow="ellipsis")
            for name, text in first
        ]
        return Padding(Group(*parts), (0, _ECHO, 0, 0))


def _text(text: str) -> str:
    """Text of others within Rich's markup."""
    return escape(fit(shown(text)))
