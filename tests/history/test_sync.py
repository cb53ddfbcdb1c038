"""Histories of several clones become one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infraci.errors import UsageError
from infraci.git import GitError
from infraci.history import History
from infraci.history.sync import default_remote, pull, push
from tests.history.repository import Repository, result


def _runs(repository: Repository, sha: str) -> list[str]:
    return [r.run for r in History(repository.folder).results([sha]).get(sha, ())]


@pytest.fixture
def others(repository: Repository, tmp_path: Path) -> tuple[Repository, Repository]:
    """Two clones of a repository with two commits."""
    repository.commit("One")
    repository.commit("Two")
    return repository.clone(tmp_path / "a"), repository.clone(tmp_path / "b")


def test_two_clones_tell_each_other(
    repository: Repository, others: tuple[Repository, Repository]
) -> None:
    one, other = others
    head, first = one.git("rev-parse", "HEAD"), one.git("rev-parse", "HEAD^")
    assert not pull(one.folder, "origin")
    assert not push(one.folder, "origin")
    History(one.folder).add(head, [result("web-1")])
    History(other.folder).add(head, [result("web-2")])
    History(other.folder).add(first, [result("web-3")])
    assert push(one.folder, "origin")
    assert push(other.folder, "origin")
    assert pull(one.folder, "origin")
    for clone in (repository, one, other):
        assert (_runs(clone, head), _runs(clone, first)) == (["web-1", "web-2"], ["web-3"])
    assert one.git("for-each-ref", "refs/infraci") == ""
    tip = History(one.folder).tip
    assert pull(one.folder, "origin")
    assert History(one.folder).tip == tip


def test_what_one_has_pruned_does_not_come_back(
    repository: Repository, others: tuple[Repository, Repository]
) -> None:
    one, other = others
    head = one.git("rev-parse", "HEAD")
    History(one.folder).add(head, [result("web-1", time=1), result("web-2", time=2)])
    push(one.folder, "origin")
    pull(other.folder, "origin")
    History(one.folder).prune(lambda sha, result: result.time > 1)
    History(other.folder).add(head, [result("web-3", time=3)])
    push(other.folder, "origin")
    push(one.folder, "origin")
    assert _runs(repository, head) == ["web-2", "web-3"]


def test_notes_of_commits_that_are_not_here(repository: Repository, tmp_path: Path) -> None:
    """A shallow clone, or one from before a forced push."""
    first = repository.commit("One")
    head = repository.commit("Two")
    History(repository.folder).add(first, [result("web-1")])
    shallow = repository.clone(tmp_path / "shallow", "--depth=1")
    History(shallow.folder).add(head, [result("web-2")])
    push(shallow.folder, "origin")
    assert (_runs(repository, first), _runs(repository, head)) == (["web-1"], ["web-2"])
    assert _runs(shallow, first) == ["web-1"]


def test_which_remote(repository: Repository) -> None:
    with pytest.raises(UsageError, match="there is no remote"):
        default_remote(repository.folder)
    repository.git("remote", "add", "upstream", "/nowhere")
    assert default_remote(repository.folder) == "upstream"
    repository.git("remote", "add", "other", "/nowhere")
    with pytest.raises(UsageError, match="upstream"):
        default_remote(repository.folder)
    repository.git("remote", "add", "origin", "/nowhere")
    assert default_remote(repository.folder) == "origin"


def test_a_misspelt_remote(others: tuple[Repository, Repository]) -> None:
    with pytest.raises(UsageError, match='remote "orign"') as caught:
        pull(others[0].folder, "orign")
    assert caught.value.hint == 'did you mean "origin"?'


def test_no_password_in_what_is_told(others: tuple[Repository, Repository]) -> None:
    with pytest.raises(GitError, match="cannot pull the history") as caught:
        pull(others[0].folder, "https://me:hunter2@localhost:1/x.git")
    assert "hunter2" not in caught.value.message
