"""How git is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from infraci.errors import InfraciError
from infraci.git import (
    GitError,
    export_tree,
    repository_root,
    resolve,
    run,
    run_bytes,
)
from tests.git.repository import commit, contents, git


class TestTheCallersRepository:
    """Hooks inherit which repository, index and work tree they run for; the folder alone counts."""

    LISTED = git(Path("/"), "rev-parse", "--local-env-vars").split()
    SETTINGS = ("GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS")

    @pytest.mark.parametrize("name", sorted({*LISTED} - {*SETTINGS}))
    def test_is_forgotten(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        sha = git(root, "rev-parse", "HEAD")
        monkeypatch.setenv(name, "/nowhere")
        assert repository_root(root / "lib") == root
        assert name not in os.environ  # nor do programs have it that are started later
        monkeypatch.setenv(name, "/nowhere")
        assert resolve(root).sha == sha
        monkeypatch.setenv(name, "/nowhere")
        export_tree(root, sha, tmp_path / "out")
        assert contents(tmp_path / "out") == {"a.txt": "one\n", "lib/b.txt": "two\n"}

    def test_but_not_settings(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So root may trust a clone of another user's, as bin/try has it."""
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "safe.directory")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(root))
        for path in (root, *root.rglob("*")):
            os.chown(path, 65534, 65534)
        assert repository_root(root / "lib") == root
        monkeypatch.delenv("GIT_CONFIG_COUNT")
        with pytest.raises(InfraciError, match="belongs to another user"):
            repository_root(root / "lib")

    @pytest.mark.parametrize("hook", ["pre-commit", "post-commit"])
    def test_a_hook_of_a_linked_worktree(self, root: Path, tmp_path: Path, hook: str) -> None:
        linked, out = tmp_path / "linked", tmp_path / "out"
        git(tmp_path, "init", "--quiet", "inner")
        commit(tmp_path / "inner", {"c.txt": "three\n"})
        git(root, "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub")
        git(root, "commit", "--quiet", "--message=Add a submodule")
        git(root, "worktree", "add", "--quiet", str(linked), "-b", "side")
        git(linked, "submodule", "--quiet", "update", "--init")
        script = root / ".git/hooks" / hook
        script.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/hook.py\n")
        script.chmod(0o755)
        (tmp_path / "hook.py").write_text(
            "import os, pathlib\n"
            "from infraci.git import export_tree, export_working_tree, repository_root, resolve\n"
            "assert os.environ['GIT_INDEX_FILE']\n"
            "root = repository_root(pathlib.Path.cwd())\n"
            f"out = pathlib.Path({str(out)!r})\n"
            "export_tree(root, resolve(root).sha, out / 'commit')\n"
            "export_working_tree(root, out / 'tree')\n"
        )
        (linked / "a.txt").write_text("linked\n")
        (linked / "lib/b.txt").write_text("not this\n")
        git(linked, "commit", "--quiet", "--message=Change", "--", "a.txt")
        made = "linked\n" if hook == "post-commit" else "one\n"
        inner = {".gitmodules": (root / ".gitmodules").read_text()}
        inner |= {"sub/c.txt": "three\n"}
        assert contents(out / "commit") == {"a.txt": made, "lib/b.txt": "two\n", **inner}
        changed = {"a.txt": "linked\n", "lib/b.txt": "not this\n"}
        assert contents(out / "tree") == {**changed, **inner}
        assert git(linked, "status", "--short") == "M lib/b.txt"
        assert git(root, "status", "--short") == ""


class TestRun:
    """Programs that do not end, or cannot begin."""

    def test_a_program_that_does_not_end(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        os.mkfifo(root / "pipe")  # git waits for one who writes
        monkeypatch.setattr("infraci.git.bounded.LIMIT_S", 0.2)
        with pytest.raises(GitError, match="cannot run git config: it did not end within"):
            run(root, "config", "--file=pipe", "--list")

    def test_a_folder_that_is_gone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(GitError, match="cannot run git: no such folder"):
            run(tmp_path / "gone", "version")

    def test_a_status_and_what_was_printed_before(self, root: Path) -> None:
        with pytest.raises(GitError) as caught:
            run(root, "cat-file", "--batch-check", "--no-such-option")
        assert caught.value.status == 129
        assert "unknown option" in caught.value.reason

    def test_input_of_any_length(self, root: Path) -> None:
        text = b"x" * (1 << 20)
        sha = run(root, "hash-object", "-w", "--stdin", stdin=text).strip()
        assert run_bytes(root, "cat-file", "blob", sha) == text
