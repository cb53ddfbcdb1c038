"""Commits of real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infraci.errors import UsageError
from infraci.git import (
    base_of,
    changed_files,
    export_tree,
    resolve,
    working_tree,
)
from tests.git.repository import commit, contents, git


class TestResolve:
    """Revisions, and what their commits say."""

    def test_what_a_commit_says(self, root: Path) -> None:
        sha = commit(root, {"a.txt": "x"}, "Open the port: ünï\n\nBecause.")
        resolved = resolve(root)
        assert (resolved.sha, resolved.author, resolved.email) == (sha, "Åsa", "asa@example.org")
        assert resolved.subject == "Open the port: ünï"
        assert resolved.dirty is False
        assert resolved.date.startswith("20")
        assert "T" in resolved.date

    def test_revisions(self, root: Path) -> None:
        first = git(root, "rev-parse", "HEAD")
        git(root, "tag", "-a", "-m", "v1", "v1")
        second = commit(root, {"a.txt": "x"})
        names = ("main", second[:8], "v1", "HEAD~1", "HEAD^", "@", "v1^{commit}")
        resolved = [resolve(root, name).sha for name in names]
        assert resolved == [second, second, first, first, first, second, first]

    def test_a_branch_and_a_file_of_the_same_name(self, root: Path) -> None:
        git(root, "branch", "a.txt")
        assert resolve(root, "a.txt") == resolve(root)

    @pytest.mark.parametrize(
        ("revision", "hint"),
        [
            ("mian", 'did you mean "main"?'),
            ("feature/fierwall", 'did you mean "feature/firewall"?'),
            ("zzzzzzzz", 'there are "feature/firewall" and "main"'),
            ("HEAD~7", "`git log` shows the commits"),
        ],
    )
    def test_an_unknown_revision(self, root: Path, revision: str, hint: str) -> None:
        git(root, "branch", "feature/firewall")
        with pytest.raises(UsageError) as caught:
            resolve(root, revision)
        assert caught.value.message == (
            f'cannot find commit "{revision}": there is no such revision here'
        )
        assert caught.value.hint == hint

    @pytest.mark.parametrize("revision", ["", " ", "-x", "--upload-pack=id", "a\0b"])
    def test_what_is_no_revision_never_reaches_git(self, root: Path, revision: str) -> None:
        with pytest.raises(UsageError, match="that names no revision"):
            resolve(root, revision)

    def test_a_file_is_no_commit(self, root: Path) -> None:
        with pytest.raises(UsageError, match="that names a file or a folder, not a commit"):
            resolve(root, "HEAD:a.txt")

    def test_no_commit_yet(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet", "new")
        with pytest.raises(UsageError, match="the repository has no commit yet") as caught:
            resolve(tmp_path / "new")
        assert caught.value.hint == "commit something first"
        with pytest.raises(UsageError, match="the repository has no commit yet"):
            working_tree(tmp_path / "new")

    def test_a_shallow_clone(self, root: Path, tmp_path: Path) -> None:
        commit(root, {"a.txt": "x"})
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "shallow")
        clone = tmp_path / "shallow"
        assert resolve(clone) == resolve(root)
        with pytest.raises(UsageError) as caught:
            resolve(clone, "HEAD~1")
        assert "git fetch --unshallow" in str(caught.value.hint)
        export_tree(clone, "HEAD", tmp_path / "out")
        assert contents(tmp_path / "out")["a.txt"] == "x"

    def test_an_ambiguous_sha(self, root: Path) -> None:
        commits = "".join(
            f"commit refs/heads/many\ncommitter a <a@b> {n} +0000\ndata 1\nx\n" for n in range(1500)
        )
        subprocess.run(
            ["git", "fast-import", "--quiet"], cwd=root, input=commits.encode(), check=True
        )
        shas: dict[str, int] = {}
        for sha in git(root, "rev-list", "--all").split():
            shas[sha[:4]] = shas.get(sha[:4], 0) + 1
        twice = next(short for short, count in shas.items() if count > 1)
        with pytest.raises(UsageError, match="several begin so"):
            resolve(root, twice)

    def test_hostile_names_lose_their_control_characters(self, root: Path) -> None:
        git(
            root, "commit", "--quiet", "--allow-empty",
            "--message", "\x1b]0;owned\x07Fix\x9b31m \u202egnp.exe\u2069 \x08\x7f it",
            GIT_AUTHOR_NAME="Eve\x1b[2J\u202e", GIT_AUTHOR_EMAIL="eve\t@example.org",
        )  # fmt: skip
        resolved = resolve(root)
        assert resolved.author == "Eve"
        assert resolved.email == "eve @example.org"
        assert resolved.subject == "Fix gnp.exe it"

    def test_names_that_are_not_utf_8(self, root: Path) -> None:
        raw = (
            b"tree %s\nauthor Ren\xe9 <r@example.org> 1 +0100\ncommitter R <r> 1 +0000\n\nCaf\xe9\n"
        )
        tree = git(root, "rev-parse", "HEAD^{tree}").encode()
        sha = subprocess.run(
            ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
            cwd=root, input=raw % tree, check=True, capture_output=True,
        ).stdout.decode().strip()  # fmt: skip
        resolved = resolve(root, sha)
        assert resolved.author == "Ren\ufffd"
        assert resolved.subject == "Caf\ufffd"
        resolved.subject.encode()

    def test_the_users_settings_do_not_disturb(self, root: Path) -> None:
        git(root, "config", "color.ui", "always")
        git(root, "config", "log.showSignature", "true")
        git(root, "config", "i18n.logOutputEncoding", "ISO-8859-1")
        git(root, "config", "log.date", "relative")
        resolved = resolve(root)
        assert (resolved.author, resolved.subject) == ("Åsa", "Begin")
        assert resolved.date.startswith("20")


class TestWorkingTree:
    """The commit checked out, and whether anything differs from it."""

    def test_clean(self, root: Path) -> None:
        assert working_tree(root) == resolve(root)

    @pytest.mark.parametrize("name", ["a.txt", "new.txt", "lib/new/deep.txt"])
    def test_dirty_by_a_file_changed_or_added(self, root: Path, name: str) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("changed")
        assert working_tree(root).dirty
        assert working_tree(root).short.endswith("+dirty")

    def test_dirty_by_a_file_deleted(self, root: Path) -> None:
        (root / "a.txt").unlink()
        assert working_tree(root).dirty

    def test_what_is_ignored_does_not_matter(self, root: Path) -> None:
        (root / ".infraci/runs").mkdir(parents=True)
        (root / ".infraci/.gitignore").write_text("*\n")
        (root / ".infraci/runs/x").write_text("")
        assert not working_tree(root).dirty

    def test_the_index_is_not_refreshed(self, root: Path) -> None:
        os.utime(root / "a.txt", (1, 1))
        before = (root / ".git/index").read_bytes()
        assert not working_tree(root).dirty
        assert (root / ".git/index").read_bytes() == before


class TestBaseOf:
    """The commit that an upgrade begins from."""

    def test_the_first_parent(self, root: Path) -> None:
        first = resolve(root)
        git(root, "checkout", "--quiet", "-b", "side")
        commit(root, {"s.txt": "s"})
        git(root, "checkout", "--quiet", "main")
        second = commit(root, {"a.txt": "x"})
        git(root, "merge", "--quiet", "--no-edit", "side")
        assert base_of(root, resolve(root)).sha == second
        assert base_of(root, resolve(root, second)) == first

    def test_a_revision(self, root: Path) -> None:
        git(root, "tag", "v1")
        first = resolve(root)
        commit(root, {"a.txt": "x"})
        commit(root, {"a.txt": "y"})
        assert base_of(root, resolve(root), "v1") == first
        assert base_of(root, resolve(root), "HEAD~2") == first
        assert base_of(root, resolve(root), first.sha[:10]) == first
        with pytest.raises(UsageError, match="there is no such revision"):
            base_of(root, resolve(root), "v2")
        with pytest.raises(UsageError, match="names no revision"):
            base_of(root, resolve(root), "--all")

    def test_a_branch_means_the_merge_base(self, root: Path) -> None:
        first = resolve(root)
        git(root, "checkout", "--quiet", "-b", "topic")
        commit(root, {"t.txt": "1"})
        commit(root, {"t.txt": "2"})
        git(root, "checkout", "--quiet", "main")
        commit(root, {"a.txt": "x"})
        assert base_of(root, resolve(root, "topic"), "main") == first

    def test_a_branch_that_only_origin_has(self, root: Path, tmp_path: Path) -> None:
        first = resolve(root)
        git(root, "checkout", "--quiet", "-b", "topic")
        commit(root, {"t.txt": "1"})
        commit(root, {"t.txt": "2"})
        git(tmp_path, "clone", "--quiet", "--branch=topic", str(root), "clone")
        clone = tmp_path / "clone"
        assert base_of(clone, resolve(clone), "main") == first
        assert base_of(clone, resolve(clone), "origin/main") == first

    def test_on_the_branch_itself(self, root: Path) -> None:
        first = resolve(root)
        commit(root, {"a.txt": "x"})
        assert base_of(root, resolve(root), "main") == first

    def test_uncommitted_changes(self, root: Path) -> None:
        commit(root, {"a.txt": "x"})
        (root / "a.txt").write_text("y")
        assert base_of(root, working_tree(root)) == resolve(root)
        assert base_of(root, working_tree(root), "main") == resolve(root)

    def test_no_parent(self, root: Path) -> None:
        with pytest.raises(UsageError, match="has no parent") as caught:
            base_of(root, resolve(root))
        assert "upgrade: {from: REVISION}" in str(caught.value.hint)

    def test_a_shallow_clone(self, root: Path, tmp_path: Path) -> None:
        commit(root, {"a.txt": "x"})
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "shallow")
        with pytest.raises(UsageError, match="has no parent") as caught:
            base_of(tmp_path / "shallow", resolve(tmp_path / "shallow"))
        assert "git fetch --unshallow" in str(caught.value.hint)

    def test_nothing_in_common(self, root: Path) -> None:
        git(root, "checkout", "--quiet", "--orphan", "other")
        commit(root, {"a.txt": "x"})
        with pytest.raises(UsageError, match="no commit in common"):
            base_of(root, resolve(root), "main")


class TestChangedFiles:
    """What a commit changes, whatever it does to a file."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        folder = tmp_path / "repository"
        git(tmp_path, "init", "--quiet", str(folder))
        commit(folder, {"a": "1", "b": "2", "c d/é": "3"})
        return folder

    def test_the_first_commit_changes_everything(self, root: Path) -> None:
        assert changed_files(root, resolve(root)) is None

    def test_changed_added_moved_and_gone(self, root: Path) -> None:
        git(root, "mv", "b", "e")
        (root / "c d/é").unlink()
        commit(root, {"a": "changed", "f": "new"})
        assert changed_files(root, resolve(root)) == ("a", "b", "c d/é", "e", "f")

    def test_a_merge_changes_what_it_brings(self, root: Path) -> None:
        git(root, "checkout", "--quiet", "-b", "side")
        commit(root, {"side": "1"})
        git(root, "checkout", "--quiet", "main")
        commit(root, {"a": "changed"})
        git(root, "merge", "--quiet", "--no-edit", "side")
        assert changed_files(root, resolve(root)) == ("side",)

    def test_a_working_tree_changes_what_is_not_committed(self, root: Path) -> None:
        commit(root, {"a": "committed"})
        (root / "b").write_text("staged")
        git(root, "add", "b")
        (root / "new").write_text("untracked")
        assert changed_files(root, working_tree(root)) == ("b", "new")

    def test_a_shallow_clone_cannot_tell(self, root: Path, tmp_path: Path) -> None:
        commit(root, {"a": "changed"})
        git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "shallow")
        assert changed_files(tmp_path / "shallow", resolve(tmp_path / "shallow")) is None
