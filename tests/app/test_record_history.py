"""What a run adds to the history never changes what it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infraci import git
from infraci.app.record_history import HistoryOptions, blame_lines, conclude, matters
from infraci.history import Case, History, parse
from infraci.ledger.ledger import Ledger
from infraci.model.decode import load_pipelines
from infraci.model.run import Overrides, RunRecord
from infraci.progress.failures import MOST_SHOWN
from tests.commands.test_history import FILES
from tests.history.conftest import _own_git_settings, repository
from tests.history.repository import Repository
from tests.records import MIXED, record

__all__ = ["_own_git_settings", "repository"]  # fixtures


@pytest.fixture
def run(repository: Repository) -> RunRecord:
    """A run in the ledger of a repository with two commits."""
    repository.commits([("Begin", FILES), ("Change it", {"stack.yaml": "description: x\n"})])
    commit = git.resolve(repository.folder)
    made = record(id="web-run", pipeline="web", commit=commit, testcases=MIXED[:3])
    Ledger(repository.folder).create(made).release()
    return made


def _concluded(
    run: RunRecord, root: Path, *, write: bool = True, search: Path | None = None
) -> tuple[RunRecord, list[str]]:
    (pipeline,) = load_pipelines(root)
    lines: list[str] = []
    options = HistoryOptions(write=write, search=search)
    concluded = conclude(
        run, root=root, pipeline=pipeline, tree=root, options=options, tell=lines.append
    )
    return concluded, lines


def test_it_is_written_down_and_explained(repository: Repository, run: RunRecord) -> None:
    concluded, lines = _concluded(run, repository.folder)
    assert lines == []
    assert len(History(repository.folder).results([run.commit.sha])[run.commit.sha]) == 1
    (line,) = blame_lines(concluded)
    command = f"infraci blame {run.commit.sha[:10]} --pipeline web"
    assert line.startswith(
        f"specs/web/test_http.py::test_answer on web: unknown: `{command}` finds out; "
        "no earlier run is known, so say which commit was good: --since REV; most "
    )
    assert Ledger(repository.folder).load("web-run").blame == concluded.blame


def test_without_history_it_is_explained_all_the_same(
    repository: Repository, run: RunRecord
) -> None:
    concluded, _ = _concluded(run, repository.folder, write=False)
    assert History(repository.folder).tip is None
    assert concluded.blame


def test_for_a_search_it_is_written_twice_and_not_explained(
    repository: Repository, run: RunRecord, tmp_path: Path
) -> None:
    concluded, _ = _concluded(run, repository.folder, search=tmp_path / "found")
    assert concluded.blame == {}
    assert parse((tmp_path / "found").read_text()).of_search
    (result,) = History(repository.folder).results([run.commit.sha])[run.commit.sha]
    assert result.of_search


def test_files_matter_to_the_phases_that_use_them(repository: Repository) -> None:
    pipeline = """\
stack: {template: stack.yaml, environments: [env.yaml]}
configure: [script: first.sh, script: second.sh]
specs: {web: [specs/web]}
"""
    files = {
        **FILES, "pipelines/web.yaml": pipeline, "env.yaml": "parameters: {}\n",
        "first.sh": "#!/bin/sh\n", "second.sh": "#!/bin/sh\n", "other.sh": "#!/bin/sh\n",
    }  # fmt: skip
    repository.commits([("Begin", files)])
    (loaded,) = load_pipelines(repository.folder)
    which = matters(loaded, repository.folder)

    def of(test: str) -> set[str]:
        return set(which(Case(where="", test=test), list(files)))

    stack = {"pipelines/web.yaml", "stack.yaml", "env.yaml"}
    spec = "specs/web/test_http.py"
    assert of("plan") == of("provision: resource web") == of("update") == stack
    assert of("configure: script first.sh") == {*stack, "first.sh"}
    assert of("configure: script second.sh") == {*stack, "first.sh", "second.sh"}
    assert of("configure") == {*stack, "first.sh", "second.sh"}
    assert of(f"{spec}::test_answer") == of(spec) == {*files} - {"other.sh"}


def test_uncommitted_changes_are_nobodys(repository: Repository, run: RunRecord) -> None:
    dirty = replace(run, commit=replace(run.commit, dirty=True))
    concluded, lines = _concluded(dirty, repository.folder)
    assert (concluded.blame, lines) == ({}, [])
    assert History(repository.folder).tip is None


def test_trouble_with_the_notes_is_only_told(repository: Repository, run: RunRecord) -> None:
    (repository.folder / ".git/refs/notes").write_text("in the way")
    concluded, lines = _concluded(run, repository.folder)
    assert concluded == run
    assert "cannot write refs/notes/infraci" in lines[0]


def test_values_from_the_command_line_are_not_kept() -> None:
    overrides = Overrides(
        parameters={"password": "hunter2"}, environments=[Path("/etc/secret/site.yaml")]
    )
    assert overrides.names == ("-P password", "-e site.yaml")


def test_what_has_one_answer_is_one_line(run: RunRecord) -> None:
    same = replace(
        run, blame={"a on web": "blame    x\ny", "b on web": "blame    x", "": "blame    z"}
    )
    assert list(blame_lines(same)) == ["a on web and 1 more: x", "z"]


def test_many_answers_are_counted(run: RunRecord) -> None:
    many = replace(run, blame={f"s: t::x{n}": f"blame    because of {n}" for n in range(50)})
    *shown, last = blame_lines(many)
    assert shown[0] == "s: t::x0: because of 0"
    assert len(shown) == MOST_SHOWN
    assert last.startswith(f"{50 - MOST_SHOWN} of 50 answers are not shown: infraci logs {run.id}")
    assert len(list(blame_lines(many, most=None))) == 50
