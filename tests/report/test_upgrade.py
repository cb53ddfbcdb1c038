"""The report of an upgrade: what is the commit's, and what is its base's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lxml import etree

from infraci.diagnosis.phase_testcase import phase_testcase
from infraci.model.run import Failure, Outcome, Phase, PhaseResult, Round, RunRecord
from infraci.report.junit import write_junit
from infraci.report.table import Row
from tests.records import COMMIT, MIXED, check, record
from tests.report.test_junit import SCHEMA

BASE = replace(COMMIT, sha="f" * 40, subject="Begin")
GOOD = (check("test_port"),)
KEPT = replace(
    check("kept", Outcome.FAILURE, message="database was replaced"),
    server="",
    role="",
    classname="infraci.three-tier.update",
    name="database is kept",
    phase=Phase.UPDATE,
)
STACK = replace(phase_testcase(Phase.UPDATE, "stack"), duration_s=1.0)


def phase(phase: Phase, round_: Round = Round.HEAD, **changes: Any) -> PhaseResult:
    return PhaseResult(
        phase=phase, started=1_700_000_001.0, duration_s=1.0, round=round_, **changes
    )


def upgrade(**changes: Any) -> RunRecord:
    """A run of an upgrade, all its phases well."""
    phases = (
        phase(Phase.PROVISION, Round.BASE),
        phase(Phase.CONFIGURE, Round.BASE),
        phase(Phase.VERIFY, Round.BASE),
        phase(Phase.UPDATE),
        phase(Phase.CONFIGURE),
        phase(Phase.VERIFY),
    )
    known = {"base": BASE, "phases": phases, "base_testcases": GOOD, "testcases": GOOD}
    return record(**{**known, **changes})


def written(tmp_path: Path, run: RunRecord) -> etree._Element:
    path = tmp_path / "junit.xml"
    write_junit(path, run)
    document = etree.parse(path)
    SCHEMA.assertValid(document)
    return document.getroot()


def cases(root: etree._Element) -> dict[str, list[str]]:
    """Each suite's cases, with what is wrong with each."""
    return {
        suite.get("name", ""): [
            " ".join([case.get("name", ""), *(child.tag for child in case)])
            for case in suite.iter("testcase")
        ]
        for suite in root
    }


def test_the_base_has_suites_of_its_own(tmp_path: Path) -> None:
    root = written(tmp_path, upgrade())
    assert cases(root) == {
        "infraci.three-tier.base.provision": ["every server of the stack can be logged in to"],
        "infraci.three-tier.base.configure": ["every configure step ends well"],
        "infraci.three-tier.update": ["the stack is updated to the commit"],
        "infraci.three-tier.configure": ["every configure step ends well"],
        "infraci.three-tier.web-0": ["test_port[web-0]"],
        "infraci.three-tier.base.web-0": ["test_port[web-0]"],
    }
    for suite in root:
        properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
        assert (properties["infraci.commit"], properties["infraci.base"]) == (COMMIT.sha, BASE.sha)


def test_the_commits_checks_are_called_as_without_an_upgrade(tmp_path: Path) -> None:
    def identities(run: RunRecord) -> set[tuple[str, ...]]:
        return {
            (suite.get("name", ""), case.get("classname", ""), case.get("name", ""))
            for suite in written(tmp_path, run)
            for case in suite.iter("testcase")
            if suite.get("hostname") == "web-0" and ".base." not in suite.get("name", "")
        }

    assert identities(upgrade(testcases=MIXED)) == identities(record())


def test_a_failure_of_the_base_is_an_error_that_says_so(tmp_path: Path) -> None:
    root = written(tmp_path, upgrade(testcases=(), base_testcases=MIXED[:2]))
    assert list(root.iter("failure")) == []
    (error,) = root.iter("error")
    lines = (error.text or "").splitlines()
    assert f"base     {BASE.sha} Begin" in lines
    assert any("the commit is not to blame" in line for line in lines)
    assert "server   web-0 (web)" in lines  # its address is not known any more


def test_what_may_not_be_replaced_stands_with_the_update(tmp_path: Path) -> None:
    root = written(tmp_path, upgrade(testcases=(STACK, KEPT, *GOOD)))
    assert cases(root)["infraci.three-tier.update"] == ["stack", "database is kept failure"]
    (failure,) = root.iter("failure")
    assert f"commit   {COMMIT.sha}" in (failure.text or "")


def test_a_failed_update_blames_the_commit_or_nobody(tmp_path: Path) -> None:
    for blames, tag in ((True, "failure"), (False, "error")):
        failure = Failure(kind="X", message="cannot update", blames=blames)
        phases = (
            phase(Phase.UPDATE, failure=failure),
            phase(Phase.PROVISION, Round.ROLLBACK),
            phase(Phase.VERIFY, Round.ROLLBACK),
        )
        run = upgrade(phases=phases, testcases=(), rollback_testcases=MIXED[:2])
        assert cases(written(tmp_path, run)) == {
            "infraci.three-tier.update": [f"the stack is updated to the commit {tag}"],
            "infraci.three-tier.rollback.provision": [
                "every server of the stack can be logged in to"
            ],
            "infraci.three-tier.base.web-0": ["test_port[web-0]"],
            "infraci.three-tier.rollback.web-0": [
                "test_port[web-0] system-out",
                "test_answer[web-0] error system-err",
            ],
        }


def test_the_table_names_the_base() -> None:
    assert Row.of(upgrade()).checks == "6 passed, upgrade from ffffffffff"
