"""Which repository a folder is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infraci.errors import UsageError
from infraci.git import (
    GitError,
    export_tree,
    repository_root,
)
from tests.git.repository import contents, git


class TestRepositoryRoot:
    """The top of the work tree around a folder."""

    def test_from_anywhere_within(self, root: Path) -> None:
        assert repository_root(root) == root
        assert repository_root(root / "lib") == root
        assert repository_root(root / "lib/b.txt") == root

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot find a git repository") as caught:
            repository_root(tmp_path)
        assert "git init" in str(caught.value.hint)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="cannot find a git repository: there is no"):
            repository_root(tmp_path / "x/y")

    def test_a_bare_repository(self, root: Path, tmp_path: Path) -> None:
        git(tmp_path, "clone", "--quiet", "--bare", str(root), "bare.git")
        with pytest.raises(UsageError, match="it is a bare repository") as caught:
            repository_root(tmp_path / "bare.git")
        assert "git worktree add" in str(caught.value.hint)

    def test_one_that_a_commit_has_brought(self, root: Path) -> None:
        """Its settings would have git run programs of the commit's."""
        hidden = root / "hidden"
        git(root, "init", "--quiet", "--bare", str(hidden))
        git(hidden, "config", "core.bare", "false")
        git(hidden, "config", "core.worktree", "tree")
        (hidden / "tree").mkdir()
        with pytest.raises(UsageError, match="a commit may have brought it"):
            repository_root(hidden / "tree")

    def test_inside_the_git_folder(self, root: Path) -> None:
        with pytest.raises(UsageError, match=r"it is inside a \.git folder"):
            repository_root(root / ".git/refs")

    def test_a_linked_work_tree(self, root: Path, tmp_path: Path) -> None:
        git(root, "worktree", "add", "--quiet", str(tmp_path / "linked"))
        assert repository_root(tmp_path / "linked") == tmp_path / "linked"
        export_tree(tmp_path / "linked", "HEAD", tmp_path / "out")
        assert contents(tmp_path / "out") == {"a.txt": "one\n", "lib/b.txt": "two\n"}

    def test_somebody_elses_repository(self, root: Path) -> None:
        if os.geteuid() != 0:
            pytest.fail("only root can give a repository to another user")
        for path in [root, root / ".git"]:
            os.chown(path, 12345, 12345)
        with pytest.raises(UsageError, match="it belongs to another user") as caught:
            repository_root(root / "lib")
        assert caught.value.hint == (
            f"if you trust it: git config --global --add safe.directory {root}"
        )

    def test_without_git(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(GitError, match="cannot run git: it is not installed"):
            repository_root(root)
