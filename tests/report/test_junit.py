"""JUnit: valid, complete, and the same in every reader."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from infraci.base.mask import hide
from infraci.diagnosis.phase_testcase import phase_testcase
from infraci.model.run import Outcome, Phase, RunRecord, Verdict
from infraci.report.junit import clean, write_junit, write_junits
from tests.records import COMMIT, MIXED, WEB, check, failed_phase, record

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent.parent / "data" / "junit.rng"))


def _written(tmp_path: Path, *records: RunRecord) -> etree._Element:
    path = tmp_path / "junit.xml"
    write_junits(path, records)
    document = etree.parse(path)
    SCHEMA.assertValid(document)
    assert list(tmp_path.iterdir()) == [path]
    _assert_counts(document.getroot())
    return document.getroot()


def _assert_counts(root: etree._Element) -> None:
    for element in (root, *root.iter("testsuite")):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(element.get(attribute, "")) == len(list(element.iter(tag))), attribute
        total = sum(float(case.get("time", "")) for case in element.iter("testcase"))
        assert float(element.get("time", "")) == pytest.approx(total, abs=0.01)


def test_a_suite_a_server_and_one_a_phase(tmp_path: Path) -> None:
    root = _written(tmp_path, record())
    assert [suite.get("name") for suite in root] == [
        "infraci.three-tier.provision",
        "infraci.three-tier.configure",
        "infraci.three-tier.destroy",
        "infraci.three-tier.web-0",
        "infraci.three-tier.db-0",
    ]
    assert [case.get("name") for case in root[3].iter("testcase")] == [
        "test_port[web-0]",
        "test_answer[web-0]",
        "test_later[web-0]",
        "test_up[web-0]",
    ]
    kinds = [[child.tag for child in case] for case in root[3].iter("testcase")]
    assert kinds == [["system-out"], ["failure", "system-err"], ["skipped"], ["error"]]


def test_suite_properties(tmp_path: Path) -> None:
    root = _written(tmp_path, record())
    properties = {p.get("name"): p.get("value") for p in root[3].iter("property")}
    assert properties["infraci.run"] == "three-tier-1"
    assert properties["infraci.commit"] == COMMIT.sha
    assert properties["infraci.author"] == "Zoë <Ops>"
    assert properties["infraci.subject"] == COMMIT.subject
    assert properties["infraci.server"] == "web-0"
    assert properties["infraci.role"] == "web"
    assert properties["infraci.evidence.0"] == str(tmp_path / "evidence/web-0/console.log")
    assert "infraci.evidence.1" not in properties
    assert len([p for p in root[0].iter("property") if "evidence" in p.get("name", "")]) == 3


def test_a_failure_begins_with_who_and_what_and_how_to_see_it_again(tmp_path: Path) -> None:
    (failure,) = _written(tmp_path, record()).iter("failure")
    assert failure.get("message") == "AssertionError: assert 500 == 200"
    assert (failure.text or "").splitlines() == [
        f"commit   {COMMIT.sha}",
        "author   Zoë <Ops> <zoe@example.org>",
        "date     2026-11-21T12:00:00+01:00",
        'subject  Listen on 8080 & say "hello"',
        "pipeline three-tier",
        "stack    infraci-three-tier-1 on local",
        "server   web-0 (web, debian@192.0.2.10)",
        "again    infraci run --commit 0123456789 three-tier",
        "check    specs/web/test_http.py::test_answer[web-0]",
        "",
        "def test_answer(host):",
        ">   assert 500 == 200",
    ]


def test_uncommitted_changes_are_no_commit_to_run_again(tmp_path: Path) -> None:
    dirty = record(commit=replace(COMMIT, dirty=True))
    (failure,) = _written(tmp_path, dirty).iter("failure")
    assert "(with uncommitted changes)" in (failure.text or "")
    assert "again    infraci run --working-tree three-tier\n" in (failure.text or "")


@pytest.mark.parametrize("phase", [Phase.PLAN, Phase.PROVISION, Phase.CONFIGURE, Phase.DESTROY])
def test_trouble_in_a_phase_is_an_error_of_its_own_suite(tmp_path: Path, phase: Phase) -> None:
    failed = record(phases=(failed_phase(phase),), testcases=(), servers=(), verdict=Verdict.ERROR)
    root = _written(tmp_path, failed)
    assert [suite.get("name") for suite in root] == [f"infraci.three-tier.{phase}"]
    (error,) = root.iter("error")
    assert error.get("message") == "cannot create stack infraci-three-tier-1: no valid host"
    assert COMMIT.sha in (error.text or "")
    assert "ask the cloud's operator" in (error.text or "")
    assert (error.text or "").endswith("12:00 web CREATE_FAILED no valid host")


def test_a_clouds_failure_has_a_class(tmp_path: Path) -> None:
    failed = failed_phase(Phase.PROVISION)
    assert failed.failure is not None
    failed = replace(failed, failure=replace(failed.failure, category="quota"))
    run = record(
        phases=(failed,),
        testcases=(),
        api_calls={"compute GET": 3, "network GET": 4},
        leaks=("port x (1)",),
    )
    root = _written(tmp_path, run)
    (error,) = root.iter("error")
    assert error.get("type") == "quota"
    assert str(error.get("message")).startswith("quota: cannot ")
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["infraci.api.calls"] == "7"
    assert properties["infraci.api.calls.network.GET"] == "4"
    assert properties["infraci.leak.0"] == "port x (1)"


def test_names_are_unique_in_a_suite(tmp_path: Path) -> None:
    same = check("test_same")
    root = _written(tmp_path, record(testcases=(same, same, same), phases=()))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names == ["test_same[web-0]", "test_same[web-0] #2", "test_same[web-0] #3"]


def test_what_xml_cannot_hold_is_left_out(tmp_path: Path) -> None:
    nasty = "".join(map(chr, range(0x180))) + "\ud800\ufffe\uffff\U0001f600\x1b[31mred\x1b[0m]]>"
    case = check("test_x", Outcome.FAILURE, message=nasty, text=nasty, stdout=nasty)
    odd = record(testcases=(case,), commit=replace(COMMIT, subject=nasty, author=nasty))
    (failure,) = _written(tmp_path, odd).iter("failure")
    assert (failure.text or "").endswith("\U0001f600red]]>")
    assert (failure.text or "").count("é") >= 1


def test_a_check_without_a_story_still_has_one(tmp_path: Path) -> None:
    cases = (check("test_f", Outcome.FAILURE), check("test_e", Outcome.ERROR))
    root = _written(tmp_path, record(testcases=cases))
    assert [f.get("message") for f in root.iter("failure", "error")] == ["failure", "error"]


def test_endless_output_is_cut_in_the_middle() -> None:
    text = clean("a" * 1_000_000 + "the end")
    assert len(text) < 301_000
    assert text.endswith("the end")
    assert "700007 characters" in text


def test_a_run_of_which_nothing_is_known_yet(tmp_path: Path) -> None:
    assert len(_written(tmp_path, record(phases=(), testcases=(), verdict=None))) == 0


def test_several_pipelines_in_one_report(tmp_path: Path) -> None:
    root = _written(tmp_path, record(), record(pipeline="single", testcases=MIXED[:1]))
    assert [suite.get("id") for suite in root] == [str(number) for number in range(9)]
    assert len({suite.get("name") for suite in root}) == 9


def test_the_old_report_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(path, record())
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_junit(path, "no record")  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_evidence_is_attached_to_what_failed(tmp_path: Path) -> None:
    evidence = ("evidence/web-0/journal.txt", "evidence/db-0/journal.txt")
    path = tmp_path / "junit.xml"
    write_junit(path, record(evidence=evidence), folder=tmp_path / "run", attach=True)
    document = etree.parse(path)
    SCHEMA.assertValid(document)
    attached = [
        (case.get("name"), line)
        for case in document.iter("testcase")
        for line in (case.findtext("system-out") or "").splitlines()
        if line.startswith("[[")
    ]
    web = f"[[ATTACHMENT|{tmp_path}/run/evidence/web-0/journal.txt]]"
    assert ("test_answer[web-0]", web) in attached
    assert all(name != "test_port[web-0]" for name, _ in attached)
    assert all("db-0" not in line for name, line in attached if "web-0" in str(name))


def test_what_is_known_of_who_broke_it_comes_first(tmp_path: Path) -> None:
    answer = "specs/web/test_http.py::test_answer on web"
    summaries = {
        answer: "blame    new failure: broken by x\nproof    y",
        "": "blame    infrastructure: quota; no commit is blamed",
    }
    broken = record(blame=summaries, phases=(*record().phases, failed_phase(Phase.PROVISION)))
    root = _written(tmp_path, broken)
    (failure,) = root.iter("failure")
    assert (failure.text or "").startswith("blame    new failure: broken by x\nproof    y\ncommit ")
    for error in root.iter("error"):
        assert (error.text or "").startswith("blame    infrastructure: quota")
    properties = {p.get("name"): p.get("value") for p in root[0].iter("property")}
    assert properties["infraci.blame.0"] == "the run: infrastructure: quota; no commit is blamed"
    assert properties["infraci.blame.1"] == f"{answer}: new failure: broken by x"


def test_a_server_s_suite_has_its_way_in_order(tmp_path: Path) -> None:
    cases = (
        check("test_port"),
        phase_testcase(Phase.CONFIGURE, "script a.sh", server=WEB),
        phase_testcase(Phase.PROVISION, "boot", server=WEB),
        phase_testcase(Phase.PROVISION, "stack"),
    )
    root = _written(tmp_path, record(testcases=cases, verdict=Verdict.PASSED))
    properties = {
        suite.get("name"): [(c.get("classname"), c.get("name")) for c in suite.iter("testcase")]
        for suite in root
    }
    assert properties == {
        "infraci.three-tier.provision": [("infraci.three-tier.provision", "stack")],
        "infraci.three-tier.destroy": [
            ("infraci.three-tier.destroy", "nothing is left of the stack")
        ],
        "infraci.three-tier.web-0": [
            ("infraci.three-tier.provision", "boot[web-0]"),
            ("infraci.three-tier.configure", "script a.sh[web-0]"),
            ("specs.web.test_http", "test_port[web-0]"),
        ],
    }


def test_a_failure_of_a_phase_names_the_commit_at_the_right_testcase(tmp_path: Path) -> None:
    step = phase_testcase(
        Phase.CONFIGURE,
        "script a.sh",
        server=WEB,
        outcome=Outcome.FAILURE,
        message="web-0: a.sh failed: E: Unable to locate package nginxx (line 14)",
        text="Reading package lists...\nE: Unable to locate package nginxx",
    )
    failed = failed_phase(Phase.CONFIGURE)
    run = record(phases=(failed,), testcases=(step,), blame={"configure: script a.sh on web": "b"})
    root = _written(tmp_path, run)
    assert [suite.get("name") for suite in root] == ["infraci.three-tier.web-0"]
    (failure,) = root.iter("failure")
    assert failure.get("message") == step.message
    assert failure.get("type") == "failure"
    text = failure.text or ""
    assert text.startswith(f"b\ncommit   {COMMIT.sha}\n")
    assert "check    configure: script a.sh" in text
    assert text.endswith("E: Unable to locate package nginxx")


def test_trouble_that_no_testcase_tells_is_one_of_its_own(tmp_path: Path) -> None:
    passed = phase_testcase(Phase.PROVISION, "stack")
    run = record(
        phases=(failed_phase(Phase.PROVISION),), testcases=(passed,), verdict=Verdict.ERROR
    )
    root = _written(tmp_path, run)
    kinds = [[child.tag for child in case] for case in root.iter("testcase")]
    assert kinds == [["error"], []]


@pytest.mark.parametrize(
    "printed",
    [
        "[[ATTACHMENT|/etc/shadow]]",
        "[[ATT\x1b[0mACHMENT|/etc/shadow]]",
        "[[ATTACH\u200bMENT|/etc/shadow]]",
        "[[ATTACH\ufffeMENT|/etc/shadow]]",
        "[\x9d[ATTACHMENT|/etc/shadow]]",
    ],
)
def test_what_a_spec_prints_attaches_no_file(tmp_path: Path, printed: str) -> None:
    case = check("test_x", Outcome.FAILURE, message=printed, stdout=printed, stderr=printed)
    path = tmp_path / "junit.xml"
    write_junit(path, record(testcases=(case,), evidence=()), attach=True)
    assert b"[[ATTACHMENT|" not in path.read_bytes()


def test_no_text_of_others_steers_or_breaks_a_report(tmp_path: Path) -> None:
    hostile = "a\x00\x1b]0;t\x07\x9b2J\x08\ud800\ufffe\u202eb&<>\"'\r]]>\x1b[8mha:AAAA\x1b[0m"
    case = check(f"test[{hostile}]", Outcome.FAILURE, message=hostile, text=hostile, stdout=hostile)
    commit = replace(COMMIT, subject=hostile, author=hostile, email=hostile)
    root = _written(tmp_path, record(testcases=(case,), commit=commit, leaks=(hostile,)))
    text = etree.tostring(root, encoding="unicode")
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c != "\n"]


def test_no_secret_gets_into_a_report(tmp_path: Path) -> None:
    hide("hunter22")
    case = check("test[hunter22]", Outcome.FAILURE, message="hunter22", text="hunter22")
    write_junit(
        tmp_path / "junit.xml", record(testcases=(case,), leaks=("hunter22",)), folder=tmp_path
    )
    content = (tmp_path / "junit.xml").read_text()
    assert "hunter22" not in content
    assert COMMIT.sha in content
