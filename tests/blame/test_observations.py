"""What a run says of a testcase, of whichever phase, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from infraci.blame.flakiness import UNSEEN
from infraci.blame.neighbours import flaky_share
from infraci.blame.observations import Evidence, Seen, look
from infraci.history import Case, Class, Result, invalid
from infraci.model.run import Verdict
from tests.history.repository import ANSWER, KNOWN, PORT, result

STACK = Case(where="", test="provision: stack")
RESOURCE = Case(where="", test="provision: resource web")
PROVISION = Case(where="", test="provision")
BOOT = Case(where="web", test="provision: boot")
STEP = Case(where="web", test="configure: ansible site.yml")
PLAY = Case(where="web", test="configure: ansible site.yml: Prepare")
TASK = Case(where="web", test="configure: ansible site.yml: Prepare: Fill it")
LATER = Case(where="web", test="configure: script later.sh")
CONFIGURE = Case(where="", test="configure")
PLAN = Case(where="", test="plan")
LOADED = Case(where="web", test="specs/web/test_http.py")
VERIFY = Case(where="", test="verify")
SPECS = Case(where="web", test="verify: specs")
PASSED, FAILED, SKIPPED = Class.PASSED, Class.FAILED, Class.SKIPPED

#: A run that came to its specs; one that failed at a task; one whose stack failed.
WHOLE = {PLAN: PASSED, STACK: PASSED, BOOT: PASSED, STEP: PASSED, ANSWER: PASSED}
AT_TASK = {PLAN: PASSED, STACK: PASSED, BOOT: PASSED, TASK: FAILED, LATER: SKIPPED, SPECS: SKIPPED}
AT_STACK = {PLAN: PASSED, RESOURCE: FAILED, STEP: SKIPPED, SPECS: SKIPPED}


def _run(cases: Mapping[Case, Class], verdict: Verdict | None = None) -> Result:
    failed = any(how is not PASSED and how is not SKIPPED for how in cases.values())
    return result(cases=cases, verdict=verdict or (Verdict.FAILED if failed else Verdict.PASSED))


@pytest.mark.parametrize(
    ("cases", "case", "seen"),
    [
        (WHOLE, ANSWER, Seen.PASSED),
        (AT_TASK, TASK, Seen.FAILED),
        (AT_STACK, RESOURCE, Seen.FAILED),
        # A part of what passed has passed.
        (WHOLE, TASK, Seen.PASSED),
        (WHOLE, PLAY, Seen.PASSED),
        ({STACK: PASSED, STEP: FAILED}, TASK, None),
        # What has a testcase only where it fails has not failed in a run that went on.
        (WHOLE, RESOURCE, Seen.PASSED),
        (AT_TASK, RESOURCE, Seen.PASSED),
        (WHOLE, PROVISION, Seen.PASSED),
        (WHOLE, CONFIGURE, Seen.PASSED),
        (WHOLE, VERIFY, Seen.PASSED),
        (WHOLE, LOADED, Seen.PASSED),
        # Of what comes after the phase that failed, nothing is known.
        (AT_TASK, ANSWER, None),
        (AT_TASK, LATER, None),
        (AT_TASK, CONFIGURE, None),
        (AT_TASK, LOADED, None),
        (AT_STACK, TASK, None),
        (AT_STACK, BOOT, None),
        # A whole run without it: the commit has no such step or spec.
        (WHOLE, LATER, Seen.ABSENT),
        (WHOLE, PORT, Seen.ABSENT),
        # As earlier versions wrote it: no testcases of what passed before the specs.
        ({ANSWER: FAILED}, PLAN, Seen.PASSED),
        ({ANSWER: FAILED}, STACK, Seen.PASSED),
        ({CONFIGURE: FAILED}, CONFIGURE, Seen.FAILED),
        ({CONFIGURE: FAILED}, TASK, None),
    ],
)
def test_what_a_run_saw(cases: Mapping[Case, Class], case: Case, seen: Seen | None) -> None:
    assert look(_run(cases), case) is seen


@pytest.mark.parametrize("how", [Class.FAILED, Class.SPEC, Class.SETUP])
def test_every_failure_of_the_commits_files_is_one(how: Class) -> None:
    assert look(_run({ANSWER: how}), ANSWER) is Seen.FAILED


@pytest.mark.parametrize(
    "how", [Class.INFRASTRUCTURE, Class.TIMEOUT, Class.CRASH, Class.OUTSIDE, Class.SKIPPED]
)
def test_what_is_no_failure_of_the_commit_says_nothing(how: Class) -> None:
    assert look(_run({ANSWER: how}), ANSWER) is None


@pytest.mark.parametrize("how", [Class.INFRASTRUCTURE, Class.TIMEOUT, Class.CRASH])
def test_a_failure_beside_a_lost_server_says_nothing_and_a_pass_does(how: Class) -> None:
    run = _run({ANSWER: FAILED, TASK: how, PORT: PASSED})
    assert look(run, ANSWER) is None
    assert look(run, ANSWER, is_doubted=True) is None
    assert look(run, PORT) is Seen.PASSED


def test_a_mirror_that_did_not_answer_is_a_failure_where_that_is_asked() -> None:
    run = _run({TASK: Class.OUTSIDE, LATER: FAILED})
    assert look(run, TASK, is_doubted=True) is Seen.FAILED
    assert look(run, LATER, is_doubted=True) is Seen.FAILED
    assert look(run, TASK) is look(run, LATER) is None


def test_a_plan_that_failed_is_a_failure_of_the_plan_alone() -> None:
    runs = [
        _run({PLAN: FAILED}, Verdict.INVALID),
        invalid(pipeline="web", cloud="local"),
        replace(KNOWN, verdict=Verdict.INVALID, cases={}, failure="plan: PipelineFileError"),
    ]
    for run in runs:
        assert look(run, PLAN) is Seen.FAILED
        assert look(run, ANSWER) is look(run, STACK) is look(run, TASK) is None
    unknown = replace(runs[2], failure="there is no such pipeline")
    assert look(unknown, PLAN) is None


def test_a_spec_that_cannot_be_loaded_tells_nothing_of_its_testcases() -> None:
    run = _run({**WHOLE, LOADED: Class.SPEC, ANSWER: SKIPPED}, Verdict.INVALID)
    assert look(run, LOADED) is Seen.FAILED
    assert look(run, PORT) is None


def test_the_same_test_of_a_role_with_other_servers_is_the_same() -> None:
    run = _run({replace(ANSWER, where="web/one"): PASSED, replace(ANSWER, where="web/two"): FAILED})
    assert look(run, ANSWER) is Seen.FAILED
    assert look(run, replace(ANSWER, where="db")) is Seen.ABSENT


def _evidence(*results: Result) -> Evidence:
    evidence = Evidence(lambda shas: {"a": results}, pipeline="web", cloud="local")
    evidence.look_up(["a"])
    return evidence


def test_results_come_in_the_order_of_their_times_and_then_as_they_come() -> None:
    """The clocks of those who run meanwhile may be wrong."""
    evidence = _evidence(result("old", time=10), result("older", time=5))
    evidence.add("a", result("new", time=1))
    evidence.add("a", result("newer", time=0))
    known = sorted(evidence.known("a"), key=lambda one: one.order)
    assert [one.result.run for one in known] == ["older", "old", "new", "newer"]


def test_runs_of_earlier_searches_that_overlap_were_not_alone() -> None:
    runs = [
        result("a", time=100, took_s=40, of_search=True),
        result("b", time=101, took_s=40, of_search=True),
        result("c", time=141, took_s=40, of_search=True),
        result("d", time=150, took_s=40),
    ]
    alone = {one.result.run: one.is_alone for one in _evidence(*runs).known("a")}
    assert alone == {"a": False, "b": False, "c": True, "d": True}


def test_how_flaky_the_others_are() -> None:
    def share(*seen: Mapping[Case, Class]) -> float:
        runs = {str(n): [result(str(n), cases=cases)] for n, cases in enumerate(seen)}
        evidence = Evidence(lambda shas: runs, pipeline="web", cloud="local")
        return flaky_share(evidence, list(runs), leaving_out=[PORT])

    good, bad = {ANSWER: PASSED, PORT: FAILED}, {ANSWER: FAILED}
    assert share(good, good) == UNSEEN
    assert share(*[good] * 9) < UNSEEN
    assert share(good, bad, good, good) > 3 * UNSEEN
    assert share(good, bad, bad, good) == UNSEEN  # a commit broke it, and another mended it
    assert share(good, {**bad, STEP: Class.TIMEOUT}, good) == UNSEEN
