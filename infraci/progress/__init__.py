"""What the user sees of a run while it goes on: the protocol, and which view is used."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Protocol

from infraci.base.terminal import say
from infraci.heat.objects import Event
from infraci.model.run import Phase, PhaseResult, Round, RunRecord, Testcase

#: After so long a silence, a line tells what is waited for.
_SILENCE_S = 30.0


class Progress(Protocol):
    """Shows what happens. Called from several threads; never raises."""

    def begin(self, record: RunRecord, *, cleanup: str) -> None:
        """A run begins; ``cleanup`` is the command that removes all it will make."""

    def phase(self, run_id: str, phase: Phase, round_: Round = Round.HEAD) -> None:
        """A phase begins."""

    def phase_done(self, run_id: str, result: PhaseResult) -> None:
        """A phase has ended."""

    def event(self, *events: Event) -> None:
        """Events of Heat since the last call."""

    def server(self, name: str, text: str, *, is_detail: bool = False) -> None:
        """A server has this status: ``booting``, ``script x.sh``.

        A detail is shown while it lasts, and gets no line.
        """

    def checked(self, server: str, testcases: Sequence[Testcase]) -> None:
        """A server's specs have run."""

    def note(self, text: str) -> None:
        """A line that matters to the user."""

    def end(self, record: RunRecord) -> None:
        """The run is over."""


def make_progress(verbosity: int) -> Progress:
    """A live view in a terminal, lines elsewhere; both on stderr."""
    if verbosity >= 0 and sys.stderr.isatty() and not os.environ.get("CI"):
        from infraci.progress.live import LiveProgress

        return LiveProgress(verbosity=verbosity)
    from infraci.progress.plain import PlainProgress

    return PlainProgress(
        lambda line: say(line, err=True), verbosity=verbosity, silence_s=_SILENCE_S
    )
