"""What commits and repositories may hold, and what git's newer formats do to them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infraci.git import (
    GitError,
    base_of,
    changed_files,
    export_tree,
    is_ancestor,
    merge_base,
    resolve,
)
from infraci.history import History
from tests.git.repository import commit, contents, git
from tests.history.repository import result


@pytest.fixture(params=["sha1", "sha256"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "repository"
    git(tmp_path, "init", "--quiet", f"--object-format={request.param}", str(folder))
    commit(folder, {"a.txt": "one\n"}, "Begin")
    commit(folder, {"a.txt": "two\n"}, "Change")
    return folder


def test_commits_are_found_and_compared(root: Path) -> None:
    head, first = resolve(root), resolve(root, "HEAD~1")
    assert base_of(root, head) == first
    assert is_ancestor(root, first.sha, head.sha)
    assert is_ancestor(root, head.sha, head.sha)
    assert not is_ancestor(root, head.sha, first.sha)
    assert merge_base(root, head.sha, first.sha) == first.sha
    with pytest.raises(GitError, match="cannot compare"):
        is_ancestor(root, "f" * len(head.sha), head.sha)


def test_commits_that_have_nothing_in_common(root: Path) -> None:
    head = resolve(root)
    git(root, "checkout", "--quiet", "--orphan", "other")
    commit(root, {"b.txt": "one\n"})
    assert merge_base(root, head.sha, resolve(root).sha) is None


def test_trees_and_notes(root: Path, tmp_path: Path) -> None:
    head = resolve(root)
    assert export_tree(root, head.sha, tmp_path / "out") == ()
    assert contents(tmp_path / "out") == {"a.txt": "two\n"}
    results = (result(),)
    History(root).add(head.sha, results)
    assert History(root).results([head.sha]) == {head.sha: results}


def test_names_of_files_that_are_not_utf_8_or_have_line_ends(root: Path) -> None:
    names = ("new\nline", os.fsdecode(b"\xff\xfe"))
    for name in names:
        (root / name).write_text("x")
    commit(root, {})
    assert changed_files(root, resolve(root)) == names


def test_authors_are_those_of_the_mailmap(root: Path) -> None:
    commit(root, {".mailmap": "Åsa B <new@example.org> <asa@example.org>\n"})
    assert (resolve(root).author, resolve(root).email) == ("Åsa B", "new@example.org")


def test_a_commit_in_another_encoding_and_of_no_year(root: Path) -> None:
    text = (
        f"tree {git(root, 'rev-parse', 'HEAD^{tree}')}\n"
        "author René <r@example.org> 99999999999999 +0000\ncommitter R <r> 1 +0000\n"
        "encoding ISO-8859-1\n\nCafé\n"
    )
    sha = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"],
        cwd=root, input=text.encode("latin-1"), check=True, capture_output=True,
    ).stdout.decode().strip()  # fmt: skip
    resolved = resolve(root, sha)
    assert (resolved.author, resolved.subject) == ("René", "Café")
    assert resolved.date.startswith("3170843-")
