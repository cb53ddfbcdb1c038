"""Progress in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from infraci.heat import Event
from infraci.model.run import Failure, Outcome, Phase, PhaseResult, Verdict
from infraci.progress.live import LiveProgress
from tests.records import check, record


def terminal() -> tuple[Console, io.StringIO]:
    screen = io.StringIO()
    console = Console(
        file=screen,
        force_terminal=True,
        width=100,
        height=20,
        color_system=None,
        _environ={"TERM": "xterm"},
    )
    return console, screen


def test_what_goes_on_is_shown_and_what_is_done_stays() -> None:
    console, screen = terminal()
    progress = LiveProgress(console=console, clock=lambda: 1.0)
    run = record(verdict=Verdict.FAILED)
    progress.begin(run, cleanup="infraci destroy [x]")
    progress.phase(run.id, Phase.PROVISION)
    router = Event(id="1", time="t", stack_name="s", resource="router", status="CREATE_IN_PROGRESS")
    inner = replace(router, stack_name="s-apps-abcdefghijkl", resource="0", path="apps.0")
    progress.event(router, replace(router, resource="apps", path="apps"), inner)
    progress.server("web-0", "logging in at [::1]")
    with console.capture() as capture:
        console.print(progress._view())
    view = capture.get()
    assert "provision" in view
    assert "0 of 3 resources; at work on router, apps.0" in view
    assert "web-0: logging in at [::1]" in view
    failure = Failure(kind="X", message="cannot [do] it", hint="try [this]")
    progress.phase_done(
        run.id, PhaseResult(phase=Phase.PROVISION, started=0, duration_s=2, failure=failure)
    )
    progress.checked("web-0", [check("test_b", Outcome.FAILURE, message="list[0]")])
    progress.note("[kept]")
    progress.end(run)
    shown = screen.getvalue()
    for text in ("infraci destroy [x]", "cannot [do] it", "try [this]", "list[0]", "[kept]"):
        assert text in shown
    assert progress._live is None
    assert "\x1b[?25h" in shown  # the cursor is back


def test_between_phases_nothing_is_shown() -> None:
    console, _ = terminal()
    progress = LiveProgress(console=console)
    with console.capture() as capture:
        console.print(progress._view())
    assert capture.get().strip() == ""


def test_what_the_terminal_echoes_behind_the_view_breaks_no_line() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=30, height=20, color_system=None)
    progress = LiveProgress(console=console)
    progress.phase("x", Phase.CONFIGURE)
    progress.server("web-0", "script " + "long " * 20)
    with console.capture() as capture:
        console.print(progress._view())
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines
    assert max(map(len, lines)) <= 30 - len("^C")
