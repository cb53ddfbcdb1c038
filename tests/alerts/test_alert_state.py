"""Which alerts are due: first failures and recoveries, in the order of commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.alerts.alert import Alert, AlertKind
from infraci.alerts.alert_state import Memory, go_through, load, save
from infraci.errors import InfraciError
from infraci.model.run import Verdict
from tests.alerts.alerts import commit, pipeline, sha_of

_VERDICTS = {
    "g": Verdict.PASSED,
    "r": Verdict.FAILED,
    "i": Verdict.INVALID,
    "?": Verdict.ERROR,
}


def alerts_of(commits: str, memory: Memory | None = None) -> list[str]:
    """The alerts of a branch: a letter a commit, ``.`` without a build, ``b`` still building."""
    memory = memory or Memory(handled="before")
    results = {}
    for number, letter in enumerate(commits):
        pipelines = [pipeline(number, _VERDICTS[letter])] if letter in _VERDICTS else []
        results[sha_of(number)] = commit(number, *pipelines, is_building=letter == "b")
    return [
        f"{alert.kind} {int(alert.sha, 16)}"
        for _, alerts in go_through("main", list(results), results, memory)
        for alert in alerts
    ]


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ("ggg", []),
        ("grrr", ["failure 1"]),
        ("grrgg", ["failure 1", "recovery 3"]),
        ("grgrg", ["failure 1", "recovery 2", "failure 3", "recovery 4"]),
        ("gig", ["failure 1", "recovery 2"]),
        ("g?g", []),
        ("gr?r", ["failure 1"]),
        ("gr?g", ["failure 1", "recovery 3"]),
        ("gbr", []),  # what comes first may be to blame
        ("g.r", ["failure 2"]),
        ("gr.", ["failure 1"]),
    ],
)
def test_first_failures_and_recoveries(commits: str, expected: list[str]) -> None:
    assert alerts_of(commits) == expected


def test_it_goes_on_where_it_was() -> None:
    memory = Memory(handled="before")
    assert alerts_of("grb", memory) == ["failure 1"]
    assert memory.handled == sha_of(1)
    assert alerts_of("rr", memory) == []


@pytest.mark.parametrize(
    ("commits", "expected"), [("grg", []), ("grr", ["failure 1"]), ("rgr", ["failure 2"])]
)
def test_at_first_only_what_is_broken_now(commits: str, expected: list[str]) -> None:
    assert alerts_of(commits, Memory()) == expected


def only(*results: object) -> list[Alert]:
    pipelines = {c.sha: c for c in results}  # type: ignore[attr-defined]
    through = go_through("main", list(pipelines), pipelines, Memory(handled="before"))  # type: ignore[arg-type]
    return [alert for _, alerts in through for alert in alerts]


def test_what_is_untested_is_suspect() -> None:
    (alert,) = only(
        commit(1, pipeline(1, Verdict.PASSED)),
        commit(2, pipeline(2, Verdict.ERROR)),
        commit(3, pipeline(3, Verdict.FAILED)),
    )
    assert alert.suspects == (sha_of(2), sha_of(3))
    assert ("suspects", f"{sha_of(2)[:10]}, {sha_of(3)[:10]}") in alert.facts


def test_pipelines_are_told_apart_and_only_voters_count() -> None:
    alerts = only(
        commit(
            1,
            pipeline(1, Verdict.FAILED),
            pipeline(1, Verdict.FAILED, name="new", voting=False),
            pipeline(1, Verdict.PASSED, name="db"),
        ),
        commit(2, pipeline(2, Verdict.PASSED), pipeline(2, Verdict.FAILED, name="db")),
    )
    assert [(str(a.kind), a.result.pipeline) for a in alerts] == [
        ("failure", "web"),
        ("recovery", "web"),
        ("failure", "db"),
    ]
    assert alerts[1].broken_by == sha_of(1)


def test_an_alert_says_all_that_helps() -> None:
    (alert,) = only(commit(6, pipeline(6, Verdict.PASSED)), commit(7, pipeline(7, Verdict.FAILED)))
    assert alert.kind is AlertKind.FAILURE
    for part in (
        "web on main failed: 0000000000 Change <b>&[x](http://evil) Bcc: all@example.org",
        f"culprit: {sha_of(7)}",
        "https://ci.example.org/job/shop/job/commit/7/",
        "specs.web.test_port[web]: no ",
        "again: infraci run --commit 0000000000 web",
        "author: Ada ",
    ):
        assert part in alert.text
    assert alert.text.splitlines()[1].startswith("web: specs/web failed: no ")
    assert "\x1b" not in alert.text
    assert "\r" not in alert.text


def test_nobody_is_blamed_for_what_was_never_well() -> None:
    (alert,) = only(commit(7, pipeline(7, Verdict.FAILED)))
    assert alert.suspects == ()
    assert ("culprit", "not known: no earlier commit has passed") in alert.facts


def test_memory(tmp_path: Path) -> None:
    path = tmp_path / "infraci" / "alerts.json"
    assert load(path) == {}
    known = {"main": Memory(handled="a", well=["x"], broken={"web": "b"}, untold={"db": ["c"]})}
    save(path, known)
    assert load(path) == known
    path.write_text('{"main": {"no": 1}}')
    with pytest.raises(InfraciError, match="cannot read"):
        load(path)
