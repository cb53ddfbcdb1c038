"""A run's line: the same testcase is called the same, whatever a run makes up."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from infraci.base.mask import hide
from infraci.diagnosis.phase_testcase import phase_testcase
from infraci.history import Case, Class, dump, invalid, parse, result_of
from infraci.history.result import LONGEST
from infraci.model.run import Outcome, Phase, Round, RunRecord, Server, Testcase, Verdict
from tests.history.repository import KNOWN
from tests.records import COMMIT, WEB, check, failed_phase, record

GOOD = (check("test_port"),)


def _names(run: RunRecord) -> list[str]:
    result = result_of(run)
    assert result is not None
    return [str(case) for case in result.cases if case.where]


def test_every_class_of_a_mixed_run() -> None:
    result = result_of(record(overrides=("-e b", "-P a")))
    assert result is not None
    assert {case.test: str(class_) for case, class_ in result.cases.items()} == {
        "plan": "passed",
        "specs/web/test_http.py::test_port": "passed",
        "specs/web/test_http.py::test_answer": "failed",
        "specs/web/test_http.py::test_later": "skipped",
        "specs/web/test_http.py::test_up": "infrastructure",
        "specs/web/test_http.py::test_port[web-0]": "passed",
    }
    assert result.is_lost
    assert not result.is_complete
    assert result.overrides == ("-P a", "-e b")
    assert (result.took_s, result.time) == (10, 1_700_000_000)
    assert parse(dump(result)) == result


def test_the_line_is_ascii_and_says_nothing_of_the_servers() -> None:
    result = result_of(record())
    assert result is not None
    line = dump(result)
    assert line.isascii()
    assert "\n" not in line
    for secret in ("192.0.2.10", "assert 500", "cannot reach", "Zoë"):
        assert secret not in line


@pytest.mark.parametrize(
    "unusable",
    [
        record(commit=replace(COMMIT, dirty=True)),
        record(verdict=None),
        record(verdict=Verdict.INTERRUPTED),
    ],
)
def test_what_says_nothing_of_a_commit(unusable: RunRecord) -> None:
    assert result_of(unusable) is None


def test_why_it_could_not_be_tested() -> None:
    failed = record(phases=(failed_phase(Phase.PROVISION),), testcases=(), verdict=Verdict.ERROR)
    result = result_of(failed)
    assert result is not None
    assert result.failure == "provision: failed"
    assert result.cases == {}
    assert not result.is_complete


@pytest.mark.parametrize(
    ("blames", "cases"), [(True, {Case(where="", test="plan"): Class.FAILED}), (False, {})]
)
def test_a_plan_that_fails_is_a_testcase(blames: bool, cases: dict[Case, Class]) -> None:
    phase = failed_phase(Phase.PLAN)
    assert phase.failure is not None
    phase = replace(phase, failure=replace(phase.failure, blames=blames))
    result = result_of(record(phases=(phase,), testcases=(), verdict=Verdict.INVALID))
    assert result is not None
    assert result.cases == cases
    assert not result.is_complete


def _step(name: str, outcome: Outcome = Outcome.PASSED, server: Server | None = WEB) -> Testcase:
    return phase_testcase(Phase.CONFIGURE, name, server=server, outcome=outcome)


def test_parts_of_what_passed_need_no_room_of_their_own() -> None:
    parts = (_step("ansible a.yml: P: one"), _step("ansible a.yml: P: two"))
    result = result_of(record(testcases=(_step("ansible a.yml"), *parts, *GOOD)))
    assert result is not None
    assert {case.test for case in result.cases} == {
        "plan",
        "configure: ansible a.yml",
        "specs/web/test_http.py::test_port",
    }
    assert result.is_complete


def test_a_run_that_ended_before_its_specs_tells_nothing_of_them() -> None:
    parts = (_step("ansible a.yml: P: one"), _step("ansible a.yml: P: two", Outcome.FAILURE))
    later = _step("script b.sh", Outcome.SKIPPED)
    result = result_of(record(testcases=(*parts, later)))
    assert result is not None
    assert {case.test: str(how) for case, how in result.cases.items()} == {
        "plan": "passed",
        "configure: ansible a.yml: P: one": "passed",
        "configure: ansible a.yml: P: two": "failed",
        "configure: script b.sh": "skipped",
    }
    assert result.stopped_at is Phase.CONFIGURE
    assert not result.is_complete
    assert parse(dump(result)) == result


@pytest.mark.parametrize(
    ("test", "phase", "wholes"),
    [
        ("specs/web/test_http.py::test_port[a: b: c]", Phase.VERIFY, []),
        ("configure", Phase.CONFIGURE, []),
        ("upgrade.no_replace: db", Phase.UPDATE, []),
        ("provision: resource web", Phase.PROVISION, []),
        ("configure: script a.sh", Phase.CONFIGURE, []),
        (
            "configure: ansible a.yml: P: one",
            Phase.CONFIGURE,
            ["configure: ansible a.yml: P", "configure: ansible a.yml"],
        ),
    ],
)
def test_a_testcase_tells_its_phase_and_what_it_is_a_part_of(
    test: str, phase: Phase, wholes: list[str]
) -> None:
    case = Case(where="web", test=test)
    assert case.phase is phase
    assert [whole.test for whole in case.wholes] == wholes


def test_a_phase_that_blames_is_a_testcase() -> None:
    phase = failed_phase(Phase.CONFIGURE)
    assert phase.failure is not None
    blaming = replace(phase, failure=replace(phase.failure, blames=True))
    base = replace(blaming, phase=Phase.UPDATE, round=Round.BASE)
    result = result_of(record(phases=(blaming, base), testcases=()))
    assert result is not None
    assert result.cases == {Case(where="", test="configure"): Class.FAILED}


def _run(*names: str, stack: str = "infraci-web-0123abcd-qwerty", role: str = "web") -> RunRecord:
    servers = [Server(name=n, id=n, role=role, user="debian", address="") for n in names]
    cases = [
        Testcase(
            server=name,
            role=role,
            classname="specs.test_a",
            name="",
            nodeid=f"specs/test_a.py::test_a[{name}]",
            outcome=Outcome.PASSED,
        )
        for name in names
    ]
    return record(servers=tuple(servers), testcases=tuple(cases), stack_name=stack)


def test_a_server_alone_in_its_role_is_its_role() -> None:
    assert _names(_run("anything")) == ["specs/test_a.py::test_a on web"]


def test_several_servers_of_a_role_keep_their_names() -> None:
    assert _names(_run("app-0", "app-1")) == [
        "specs/test_a.py::test_a on web/app-0",
        "specs/test_a.py::test_a on web/app-1",
    ]


def test_a_name_that_is_not_ascii_is_no_part_of_a_test() -> None:
    run = _run("ウェブ")
    case = replace(run.testcases[0], nodeid=r"specs/test_a.py::test_a[\u30a6\u30a7\u30d6-80]")
    assert _names(replace(run, testcases=(case,))) == ["specs/test_a.py::test_a[80] on web"]


@pytest.mark.parametrize(
    ("stack", "names"),
    [
        (
            "infraci-web-0123abcd-qwerty",
            [
                "infraci-web-0123abcd-qwerty-app-0-abcdefghij27",
                "infraci-web-0123abcd-qwerty-app-1-zbcdefghij27",
            ],
        ),
        (
            "infraci-web-99999999-asdfgh",
            ["in-99-asdfgh-app-0-2bcdefghij27", "in-99-asdfgh-app-1-3bcdefghij27"],
        ),
    ],
)
def test_what_heat_makes_up_is_no_part_of_a_name(stack: str, names: list[str]) -> None:
    assert _names(_run(*names, stack=stack)) == [
        "specs/test_a.py::test_a on web/app-0",
        "specs/test_a.py::test_a on web/app-1",
    ]


def test_names_that_became_alike_are_numbered() -> None:
    stack = "infraci-web-0123abcd-qwerty"
    names = [f"{stack}-app-{word}" for word in ("abcdefghij27", "zbcdefghij27")]
    assert _names(_run(*names, stack=stack)) == [
        "specs/test_a.py::test_a on web/app",
        "specs/test_a.py::test_a on web/app#2",
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [("web-0", ""), ("web-0-80", "[80]"), ("80-web-0", "[80]"), ("80", "[80]")],
)
def test_other_parameters_stay(parameters: str, expected: str) -> None:
    case = replace(check("test_a"), nodeid=f"s.py::test_a[{parameters}]")
    assert _names(record(testcases=(case,))) == [f"s.py::test_a{expected} on web"]


def test_what_does_not_fit_is_left_out_and_said_to_be() -> None:
    many = {Case(where="web", test=f"{'x' * 100}{n}"): Class.PASSED for n in range(2000)}
    shown = parse(dump(replace(KNOWN, cases={**many, **KNOWN.cases})))
    assert shown.cut
    assert not shown.is_complete
    assert list(shown.cases.values()) == [Class.FAILED]
    failing = dict.fromkeys(many, Class.FAILED)
    line = dump(replace(KNOWN, cases=failing))
    assert len(line) <= LONGEST
    assert parse(line).cases


def test_pipelines_that_cannot_be_loaded_are_a_plan_that_failed() -> None:
    known = invalid(pipeline="web", cloud="local")
    assert known.cases == {Case(where="", test="plan"): Class.FAILED}
    assert parse(dump(known)) == known


@pytest.mark.parametrize(
    ("test", "file"),
    [
        ("specs/web/test_http.py::test_port[80]", "specs/web/test_http.py"),
        ("specs/web/test_http.py", "specs/web/test_http.py"),
        ("configure: script a.sh", ""),
        ("plan", ""),
        ("verify", ""),
        ("verify: specs", ""),
    ],
)
def test_the_spec_of_a_testcase(test: str, file: str) -> None:
    assert Case(where="web", test=test).file == file


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "{}",
        "[" * 100_000,
        dump(KNOWN).replace('"v":1', '"v":2'),
        dump(KNOWN).replace('"run":"web-1"', '"run":7'),
        dump(KNOWN).replace('"time":', '"time":"'),
        *(
            re.sub('"time":[0-9]+', f'"time":{time}', dump(KNOWN))
            for time in ("-1", "1e3", "NaN", "true", "1" * 30, "1" * 10_000)
        ),
        dump(KNOWN).replace('"cases":{', '"cases":' + '{"passed":' * 5000),
        dump(KNOWN).replace('"verdict":"failed"', '"verdict":"fine"'),
        dump(KNOWN).replace('"failed":{', '"exploded":{'),
        dump(KNOWN).replace('["specs', '"specs'),
    ],
)
def test_what_is_no_line_of_ours(line: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        parse(line)


def test_a_secret_among_parameters_is_masked_alike_in_every_run() -> None:
    hide("hunter22")
    known = result_of(record(testcases=(check("test_login[hunter22]"),)))
    assert known is not None
    assert "hunter22" not in dump(known)
    assert parse(dump(known)).cases == known.cases
