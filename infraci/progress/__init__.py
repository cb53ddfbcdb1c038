"""What is told of a run while it goes on; how it looks is up to the teller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infraci.heat.objects import Event
from infraci.model.run import Phase, PhaseResult, Round, RunRecord, Testcase


class Progress(Protocol):
    """Hears what happens. Called from several threads; never raises."""

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        """A run begins; ``cleanup`` is the command that removes all it will make."""

    def phase(self, run_id: str, phase: Phase, round_: Round = Round.HEAD) -> None:
        """A phase begins."""

    def phase_done(self, run_id: str, result: PhaseResult) -> None:
        """A phase has ended."""

    def event(self, *events: Event) -> None:
        """Heat says something: what is new since the last look."""

    def server(self, name: str, text: str, *, is_detail: bool = False) -> None:
        """A server is at that: ``booting``, ``script x.sh``.

        A detail is shown while it lasts, and is worth no line.
        """

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """A server's specs have run."""

    def note(self, text: str) -> None:
        """A line that matters to the user."""

    def end(self, record: RunRecord) -> None:
        """The run is over."""
