"""Runs for tests: values only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from infraci.model.run import (
    Commit,
    ErrorKind,
    Failure,
    Outcome,
    Phase,
    PhaseResult,
    RunRecord,
    Server,
    Testcase,
    Verdict,
)

COMMIT = Commit(
    sha="0123456789abcdef0123456789abcdef01234567",
    author="Zoë <Ops>",
    email="zoe@example.org",
    date="2026-11-21T12:00:00+01:00",
    subject='Listen on 8080 & say "hello"',
)
WEB = Server(
    name="web-0", id="11", role="web", user="debian", address="192.0.2.10", host_keys=("k v",)
)
DB = Server(name="db-0", id="22", role="db", user="debian", address="192.0.2.11")


def check(name: str, outcome: Outcome = Outcome.PASSED, **changes: Any) -> Testcase:
    """A check of web-0."""
    known = Testcase(
        server="web-0",
        role="web",
        classname="specs.web.test_http",
        name=f"{name}[web-0]",
        nodeid=f"specs/web/test_http.py::{name}[web-0]",
        outcome=outcome,
        duration_s=0.25,
        file=PurePosixPath("specs/web/test_http.py"),
        line=3,
    )
    return replace(known, **changes)


MIXED = (
    check("test_port", stdout="looked\n"),
    check(
        "test_answer",
        Outcome.FAILURE,
        message="AssertionError: assert 500 == 200",
        text="def test_answer(host):\n>   assert 500 == 200",
        stderr="log\n",
    ),
    check("test_later", Outcome.SKIPPED, message="not yet", duration_s=0.0),
    check(
        "test_up",
        Outcome.ERROR,
        message="cannot reach web-0",
        text="cannot reach web-0",
        kind=ErrorKind.INFRASTRUCTURE,
    ),
    replace(check("test_port"), server="db-0", role="db", name="test_port[db-0]"),
)


def record(**changes: Any) -> RunRecord:
    """A run of the pipeline three-tier that ended with a failure."""
    known = RunRecord(
        id="three-tier-1",
        pipeline="three-tier",
        voting=True,
        commit=COMMIT,
        cloud="local",
        stack_name="infraci-three-tier-1",
        stack_id="33",
        tags=("infraci",),
        created=1_700_000_000.0,
        expires=1_700_014_400.0,
        destroy="always",
        servers=(WEB, DB),
        phases=(
            PhaseResult(phase=Phase.PLAN, started=1_700_000_000.0, duration_s=0.5),
            PhaseResult(phase=Phase.PROVISION, started=1_700_000_001.0, duration_s=4.0),
            PhaseResult(phase=Phase.CONFIGURE, started=1_700_000_005.0, duration_s=2.0),
            PhaseResult(phase=Phase.VERIFY, started=1_700_000_007.0, duration_s=1.0),
            PhaseResult(phase=Phase.DESTROY, started=1_700_000_008.0, duration_s=2.0),
        ),
        testcases=MIXED,
        evidence=(
            "evidence/db-0/console.log",
            "evidence/stack-events.txt",
            "evidence/web-0/console.log",
        ),
        verdict=Verdict.FAILED,
    )
    return replace(known, **changes)


def failed_phase(phase: Phase) -> PhaseResult:
    """A phase that did not end well."""
    return PhaseResult(
        phase=phase,
        started=1_700_000_001.0,
        duration_s=600.0,
        failure=Failure(
            kind="StackFailedError",
            message="cannot create stack infraci-three-tier-1: no valid host",
            hint="ask the cloud's operator",
            details="12:00 web CREATE_FAILED no valid host",
        ),
    )
