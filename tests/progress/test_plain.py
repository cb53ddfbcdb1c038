"""Progress as lines."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from infraci.base.mask import MASK, hide
from infraci.heat import Event
from infraci.model.run import Failure, Outcome, Phase, PhaseResult, Verdict
from infraci.progress.plain import PlainProgress, digest, length
from infraci.report.tally import tally
from tests.records import check, record

EVENT = Event(id="1", time="t", stack_name="s", resource="web", status="CREATE_COMPLETE")
FAILED = replace(EVENT, status="CREATE_FAILED", reason="no valid host")
DONE = PhaseResult(phase=Phase.PROVISION, started=0, duration_s=4.214)
FAILURE = Failure(kind="X", message="cannot do it", hint="try this", details="a\nb")


class Clock:
    """A second passes with every look at it."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def tell(verbosity: int) -> list[str]:
    lines: list[str] = []
    progress = PlainProgress(lines.append, verbosity=verbosity, clock=Clock())
    run = record(verdict=Verdict.FAILED)
    progress.begin(run, cleanup="infraci destroy x")
    progress.phase(run.id, Phase.PROVISION)
    progress.event(EVENT)
    progress.event(FAILED)
    progress.server("web-0", "logging in")
    progress.phase_done(run.id, DONE)
    progress.phase_done(run.id, replace(DONE, failure=FAILURE))
    progress.checked("web-0", [check("test_a"), check("test_b", Outcome.FAILURE, message="no")])
    progress.note("the stack is kept")
    progress.end(run)
    return [line.partition("] ")[2] for line in lines]


def test_lines() -> None:
    lines = tell(0)
    assert lines[1] == "should this be lost, clean up by: infraci destroy x"
    assert lines[2:-3] == [
        "heat: created web",
        "heat: web CREATE_FAILED: no valid host",
        "provision done in 4.21 s",
        "provision failed after 4.21 s: cannot do it",
        "  hint: try this",
        "  | a",
        "  | b",
        "web-0: 1 passed, 1 failed",
        f"  failure: {check('test_b').nodeid}: no",
        "the stack is kept",
    ]
    assert lines[-3] == (
        "three-tier failed: web-0: specs/web/test_http.py::test_answer failed: assert 500 == 200"
    )
    assert lines[-2].startswith("three-tier: failed (")
    assert lines[-1].startswith("more: infraci logs")


def test_what_came_at_once_is_one_line() -> None:
    def event(resource: str, status: str, *, is_nested: bool = False) -> Event:
        return Event(
            id="", time="", stack_name="s", resource=resource, status=status, is_nested=is_nested
        )

    events = [
        event("s", "CREATE_IN_PROGRESS"),
        event("net", "CREATE_IN_PROGRESS"),
        event("net", "CREATE_COMPLETE"),
        event("apps", "CREATE_IN_PROGRESS"),
        event("0", "CREATE_IN_PROGRESS", is_nested=True),
        event("subnet", "CREATE_COMPLETE"),
        *(event(f"port{number}", "DELETE_COMPLETE") for number in range(8)),
    ]
    assert digest(events) == (
        "created net, subnet; creating apps; "
        "deleted port0, port1, port2, port3, port4, port5 and 2 more"
    )


def test_a_failure_has_its_class_and_a_verbose_end_its_calls() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append, verbosity=1)
    result = replace(DONE, failure=replace(FAILURE, category="quota"))
    progress.phase_done("x", result)
    progress.end(record(api_calls={"network GET": 4, "compute GET": 3}))
    texts = [line.partition("] ")[2] for line in lines]
    assert texts[0] == "provision failed after 4.21 s (quota): cannot do it"
    assert "7 API calls: compute GET 3, network GET 4" in texts


def test_verbose_tells_more() -> None:
    more = set(tell(1)) - set(tell(0))
    assert {"provision …", "heat: web CREATE_COMPLETE", "web-0: logging in"} <= more


def test_quiet_tells_what_went_wrong_and_how_it_ended() -> None:
    lines = tell(-1)
    assert not any("done" in line or "kept" in line for line in lines)
    assert any("cannot do it" in line for line in lines)
    assert any("failed" in line for line in lines)


def test_very_quiet_tells_nothing() -> None:
    assert tell(-2) == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0001, "0.01 s"), (4.218, "4.22 s"), (75.32, "75.3 s")]
)
def test_length(seconds: float, text: str) -> None:
    assert length(seconds) == text


def test_one_failure_is_a_line_that_can_be_read() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append)
    message = "begin" + "x" * 5_000_000 + "end"
    case = check("test_a", Outcome.FAILURE, message=message)
    progress.checked("web-0", [case])
    details = replace(FAILURE, message=message, details=message + "x")
    progress.phase_done("x", replace(DONE, failure=details))
    progress.note(message)
    progress.end(record(verdict=Verdict.FAILED, testcases=[case]))
    assert max(map(len, lines)) < 1000
    assert all("begin" in line and line.endswith("end") for line in lines[1:3])


def test_many_failures_are_counted() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append)
    run = record(verdict=Verdict.FAILED)
    for server in range(46):
        bad = [check(f"test_{n}", Outcome.FAILURE, message="no") for n in range(6)]
        progress.checked(f"web-{server}", bad)
    progress.end(run)
    assert sum("failure: " in line for line in lines) == 20
    assert sum("6 failed" in line for line in lines) == 46
    assert lines[-1].endswith(f"256 of 276 failures are not shown: infraci logs {run.id}")


def test_a_long_silence_has_a_line_that_tells_what_is_waited_for() -> None:
    lines: list[str] = []
    now = [0.0]
    progress = PlainProgress(lines.append, silence_s=30, clock=lambda: now[0])
    progress.remind()
    progress.phase("x", Phase.PROVISION)
    progress.event(replace(EVENT, resource="db", path="db", status="CREATE_IN_PROGRESS"))
    progress.server("app-0", "booting")
    progress.server("app-1", "ready")
    number_of_lines = len(lines)
    for seconds in (29, 30, 59, 60):
        now[0] = seconds
        progress.remind()
    assert [line.partition("] ")[2] for line in lines[number_of_lines:]] == [
        "still at provision: app-0: booting; heat: 0 of 1 resources; at work on db"
    ] * 2
    progress.phase_done("x", DONE)
    now[0] = 1000
    progress.remind()
    assert "provision done" in lines[-1]


def test_silence_is_watched_from_begin_to_end() -> None:
    is_shown = threading.Event()
    progress = PlainProgress(
        lambda line: is_shown.set() if "still at" in line else None, silence_s=0.01
    )
    progress.begin(record(), cleanup="x")
    progress.phase("x", Phase.VERIFY)
    assert is_shown.wait(30)
    progress.end(record())
    assert progress._ticker is None


def test_many_flaws_are_a_few_lines() -> None:
    flaws = replace(FAILURE, message="\n".join(f"flaw {n}" for n in range(300)), hint=None)
    lines: list[str] = []
    PlainProgress(lines.append).phase_done("x", replace(DONE, failure=replace(flaws, details="")))
    assert len(lines) == 32
    assert lines[-1].endswith("… and 269 more lines")


def test_tally() -> None:
    assert tally([]) == "no checks"
    assert tally([check("a"), check("b", Outcome.SKIPPED)]) == "1 passed, 1 skipped"


def test_what_others_say_is_fit_to_be_shown_and_of_a_sane_length() -> None:
    hide("hunter22")
    lines: list[str] = []
    progress = PlainProgress(lines.append, clock=Clock())
    message = "\x1b]0;x\x07no\n[  1.0] web: 9 passed \x1b[2Jhunter22 " + "x" * 5_000_000
    progress.checked("web-0", [check("test_b", Outcome.FAILURE, message=message)])
    assert lines[1].startswith(
        f"[   2.0]   failure: {check('test_b').nodeid}: no [ 1.0] web: 9 passed {MASK} xxx"
    )
    assert len(lines) == 2
    assert len(lines[1]) < 2000
