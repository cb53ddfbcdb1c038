"""``infraci history`` and what ``infraci blame`` knows from it alone: no cloud is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infraci.cli import main
from infraci.history import Class, History
from infraci.ledger.ledger import Ledger
from infraci.model.run import Verdict
from infraci.report.junit import write_junit
from tests.history.conftest import _own_git_settings, repository
from tests.history.repository import ANSWER, PORT, Repository, result
from tests.records import MIXED, record

__all__ = ["_own_git_settings", "repository"]  # fixtures

PIPELINE = "stack: {template: stack.yaml}\nspecs: {web: [specs/web]}\n"
FILES = {
    "pipelines/web.yaml": PIPELINE,
    "stack.yaml": "heat_template_version: 2018-08-31\n",
    "specs/web/test_http.py": "def test_answer(host):\n    pass\n",
}


@pytest.fixture
def line(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Commits, each run three times when it came; since the stack was changed, one test fails.

    A search has run that change and its parent once more.
    """
    monkeypatch.chdir(repository.folder)
    changes = [("Begin", FILES), *((f"Write page {n}", {"page": str(n)}) for n in range(8))]
    changes += [("Change the stack", {"stack.yaml": "description: x\n"})]
    shas = repository.commits([*changes, ("Write the last page", {"page": "last"})])
    for number, sha in enumerate(shas):
        failed = Class.FAILED if number >= 9 else Class.PASSED
        verdict = Verdict.FAILED if number >= 9 else Verdict.PASSED
        results = [
            result(f"web-{number}-{run}", verdict=verdict, time=1_700_000_000 + number,
                   cases={ANSWER: failed, PORT: Class.PASSED})
            for run in range(3)
        ]  # fmt: skip
        History(repository.folder).add(sha, results)
    for number, failed in ((8, Class.PASSED), (9, Class.FAILED)):
        again = result(f"web-{number}-again", time=1_700_001_000 + 100 * number, of_search=True,
                       verdict=Verdict.FAILED if failed is Class.FAILED else Verdict.PASSED,
                       cases={ANSWER: failed, PORT: Class.PASSED})  # fmt: skip
        History(repository.folder).add(shas[number], [again])
    return shas


def test_blame_answers_from_the_history_alone(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["blame", "HEAD~1", "--json", "--budget", "0"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["verdict"], finding["culprit"]["sha"]) == ("new", line[9])
    assert finding["culprit"]["files"] == ["stack.yaml"]
    assert main(["blame"]) == 1
    assert "was there before: since " in capsys.readouterr().out
    assert main(["blame", "HEAD~2"]) == 0
    assert capsys.readouterr().out == "no testcase fails\n"


def test_blame_of_other_settings_or_another_cloud_is_another(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["-P", "image=x"], ["--cloud", "moon"]):
        assert main(["blame", "--json", "--budget", "0", "--pipeline", "web", *options]) == 125
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["verdict"], finding["test"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["--time", "soon"], "expected a duration"),
        (["--target", "1"], "--target"),
        (["-j", "0"], "--jobs"),
        (["--since", "HEAD~99"], "HEAD~99"),
        (["--pipeline", "wbe"], 'did you mean "web"?'),
        (["no-such-commit"], "no-such-commit"),
    ],
)
def test_what_blame_does_not_understand(
    line: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], output: str
) -> None:
    assert main(["blame", *arguments]) == 2
    assert output in capsys.readouterr().err


def test_show_and_prune(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "show"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split()[:3] == ["COMMIT", "RUN", "PIPELINE"]
    assert shown[1].split()[:3] == [line[-1][:10], "web-10-0", "web"]
    assert "1 passed, 1 failed" in shown[1]
    assert main(["history", "show", line[0], "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in data[line[0]]] == ["web-0-0", "web-0-1", "web-0-2"]
    assert main(["history", "prune"]) == 0
    assert capsys.readouterr().out == "removed 35 results\n"
    assert main(["history", "show"]) == 0
    assert capsys.readouterr().err == "nothing is known\n"


def test_prune_of_commits_that_are_gone(
    repository: Repository, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("reset", "-q", "--hard", line[8])
    assert main(["history", "prune", "--days", "100000", "--gone"]) == 0
    assert capsys.readouterr().out == "removed 7 results\n"


def test_corrupt_notes_are_told_and_skipped(
    repository: Repository, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("notes", "--ref=infraci", "append", "--message={nonsense", "HEAD")
    assert main(["blame", "--budget", "0"]) == 1
    output = capsys.readouterr()
    assert f"a note of {line[-1][:10]} cannot be read: it is not JSON; it is skipped" in output.err
    assert "was there before" in output.out


def test_push_and_pull(
    repository: Repository,
    line: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = repository.clone(tmp_path / "other")
    monkeypatch.chdir(other.folder)
    assert main(["blame", "--budget", "0", "--pipeline", "web"]) == 125
    assert main(["history", "pull"]) == 0
    assert main(["blame", "--budget", "0", "--pipeline", "web"]) == 1
    assert main(["history", "push"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "pushed to origin"
    monkeypatch.chdir(repository.folder)
    assert main(["history", "push"]) == 2
    assert "there is no remote" in capsys.readouterr().err


def test_a_run_taken_phase_by_phase_is_recorded_and_explained(
    repository: Repository, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from infraci import git

    ledger = Ledger(repository.folder)
    head = git.resolve(repository.folder)
    run = record(id="web-run", pipeline="web", commit=head, testcases=MIXED[:3])
    ledger.create(run).release()
    write_junit(ledger.folder("web-run").junit, run)
    assert main(["history", "record"]) == 0
    output = capsys.readouterr().out
    assert "recorded web-run: failed" in output
    assert f"{ANSWER}: was there before: since " in output
    report = ledger.folder("web-run").junit.read_text()
    assert 'name="infraci.blame.0" value="specs/web/test_http.py::test_answer on web: was' in report
    assert ">blame    was there before: since " in report
    assert len(History(repository.folder).results([head.sha])[head.sha]) == 4
    assert main(["blame", "--report", "out"]) == 1
    assert "blame    was there before: since " in (repository.folder / "out/web.xml").read_text()
