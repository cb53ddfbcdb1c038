"""What people read of findings, and what programs do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infraci.blame.finding import Culprit, Finding, FindingKind, Proof
from infraci.blame.finding_output import as_data, as_text, headline, percent, summary
from infraci.history import Case
from tests.blame.truth import ANSWER, PORT
from tests.records import COMMIT

CULPRIT = Culprit(
    commit=COMMIT, probability=0.973, files=("stack.yaml",), diff="@@ -1 +1 @@\n-a\n+b"
)
FOUND = Finding(
    pipeline="web",
    head=COMMIT,
    kind=FindingKind.NEW,
    case=ANSWER,
    probability=0.973,
    culprit=CULPRIT,
    proof=(
        Proof(run="web-1", sha="a" * 40, failed=False),
        Proof(run="web-2", sha="b" * 40, failed=True),
    ),
    again="infraci blame 0123456789 --pipeline web",
)
NAMED = '0123456789 Listen on 8080 & say "hello"'


def _found(kind: FindingKind, **changes: Any) -> Finding:
    return replace(FOUND, kind=kind, culprit=None, **changes)


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (
            FOUND,
            f"new failure: broken by {NAMED}, by Zoë <Ops> (97.3 %)",
        ),
        (
            replace(FOUND, kind=FindingKind.BEFORE, probability=1.0),
            f"was there before: since {NAMED}, by Zoë <Ops> (99.9 %)",
        ),
        (
            _found(FindingKind.BEFORE, since=COMMIT),
            f"was there before: at {NAMED} already (97.3 %)",
        ),
        (
            _found(FindingKind.FLAKY, failed=3, ran=17, probability=0.99),
            "flaky: fails 3 of 17 runs, and no commit broke it (99 %)",
        ),
        (
            _found(FindingKind.INFRASTRUCTURE, why="provision: quota"),
            "infrastructure: provision: quota; no commit is blamed",
        ),
        (_found(FindingKind.UNKNOWN, why="the time is over"), "unknown: the time is over"),
        (
            _found(
                FindingKind.UNKNOWN, why="no", suspects=(CULPRIT,), runs_left=1, time_left_s=90.0
            ),
            f"unknown: no; most suspicious is {NAMED}, by Zoë <Ops> (97.3 %); "
            "about 1 stack more would tell, in 90 s",
        ),
    ],
)
def test_the_answer_in_a_line(finding: Finding, line: str) -> None:
    assert headline(finding) == line
    assert summary(finding).partition("\n")[0] == f"blame    {line}"


@pytest.mark.parametrize(("chance", "shown"), [(1.0, "99.9 %"), (0.0, "0.1 %"), (0.5, "50 %")])
def test_nothing_is_certain(chance: float, shown: str) -> None:
    assert percent(chance) == shown


def test_a_summary_says_what_it_rests_on() -> None:
    assert summary(FOUND).splitlines()[1:] == [
        "changed  stack.yaml",
        "proof    web-1 passed at aaaaaaaaaa, web-2 failed at bbbbbbbbbb",
    ]
    unknown = summary(_found(FindingKind.UNKNOWN, why="the time is over"))
    assert unknown.endswith("search   infraci blame 0123456789 --pipeline web")


def test_all_of_it_with_the_hunk_and_the_commands() -> None:
    text = as_text([FOUND, replace(FOUND, case=PORT)])
    assert text.startswith(f"web: {ANSWER}\nweb: {PORT}\n  new failure: ")
    assert text.count("new failure") == 1
    for line in (
        f"commit   {COMMIT.sha}",
        "author   Zoë <Ops> <zoe@example.org>",
        "changed  stack.yaml",
        "failed   bbbbbbbbbb in run web-2",
        "again    infraci run --commit 0123456789 web",
        "search   infraci blame 0123456789 --pipeline web",
        "+b",
    ):
        assert f"    {line}\n" in f"{text}\n"


def test_what_was_skipped_is_named() -> None:
    text = as_text(
        [_found(FindingKind.UNKNOWN, why="x", case=None, skipped={"c" * 40: "no pipeline"})]
    )
    assert "web: the commit 0123456789" in text
    assert "skipped  cccccccccc: no pipeline" in text


def test_data_is_all_there_and_json() -> None:
    data = json.loads(json.dumps(as_data([FOUND, _found(FindingKind.UNKNOWN, case=None)], spent=3)))
    assert data["stacks"] == 3
    first, second = data["findings"]
    assert (first["where"], first["test"], first["verdict"]) == ("web", ANSWER.test, "new")
    assert first["culprit"]["sha"] == COMMIT.sha
    assert first["culprit"]["diff"].endswith("+b")
    assert first["proof"][1] == {"run": "web-2", "commit": "b" * 40, "failed": True}
    assert (second["where"], second["culprit"]) == (None, None)


def test_a_testcase_of_no_server_is_its_phase() -> None:
    assert str(Case(where="", test="update")) == "update"
