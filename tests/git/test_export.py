"""Trees of real repositories, on disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infraci.errors import UsageError
from infraci.git import (
    GitError,
    export_tree,
    export_working_tree,
    repository_root,
    resolve,
    working_tree,
)
from tests.git.repository import commit, contents, git


class TestExportTree:
    """A commit's files, without a trace in the user's repository."""

    def test_an_older_commit_while_the_work_tree_is_dirty(self, root: Path, tmp_path: Path) -> None:
        first = git(root, "rev-parse", "HEAD")
        commit(root, {"a.txt": "newer\n", "c.txt": "three\n"})
        (root / "a.txt").write_text("staged\n")
        git(root, "add", "a.txt")
        (root / "a.txt").write_text("not staged\n")
        (root / "untracked.txt").write_text("x")
        before = (root / ".git/index").read_bytes(), git(root, "status", "--porcelain")
        export_tree(root, first, tmp_path / "deep/out")
        assert contents(tmp_path / "deep/out") == {"a.txt": "one\n", "lib/b.txt": "two\n"}
        after = (root / ".git/index").read_bytes(), git(root, "status", "--porcelain")
        assert after == before
        assert (root / "a.txt").read_text() == "not staged\n"

    def test_modes_links_and_awkward_names(self, root: Path, tmp_path: Path) -> None:
        awkward = [
            "with space",
            "ünï",
            "new\nline",
            "-dash",
            'quote"',
            "tab\t",
            os.fsdecode(b"\xff\xfe"),
        ]
        for name in awkward:
            (root / name).write_bytes(os.fsencode(name))
        (root / "run.sh").write_text("#!/bin/sh\n")
        (root / "run.sh").chmod(0o755)
        (root / "link").symlink_to("lib/b.txt")
        (root / "dangling").symlink_to("/nowhere/at/all")
        commit(root, {})
        for export in ("commit", "working tree"):
            out = tmp_path / export
            if export == "commit":
                export_tree(root, "HEAD", out)
            else:
                export_working_tree(root, out)
            assert [os.fsdecode((out / name).read_bytes()) for name in awkward] == awkward
            assert os.access(out / "run.sh", os.X_OK)
            assert not os.access(out / "a.txt", os.X_OK)
            assert (out / "link").readlink() == Path("lib/b.txt")
            assert (out / "dangling").readlink() == Path("/nowhere/at/all")

    def test_attributes_and_filters_are_the_commits_own(self, root: Path, tmp_path: Path) -> None:
        git(root, "config", "filter.shout.smudge", "tr a-z A-Z")
        git(root, "config", "filter.shout.clean", "cat")
        first = commit(root, {".gitattributes": "*.up filter=shout\n*.crlf text eol=crlf\n"})
        first = commit(root, {"x.up": "loud\n", "x.crlf": "line\n"})
        commit(root, {".gitattributes": ""})
        export_tree(root, first, tmp_path / "out")
        assert (tmp_path / "out/x.up").read_text() == "LOUD\n"
        assert (tmp_path / "out/x.crlf").read_bytes() == b"line\r\n"

    def test_a_failing_filter(self, root: Path, tmp_path: Path) -> None:
        git(root, "config", "filter.broken.smudge", "false")
        git(root, "config", "filter.broken.required", "true")
        git(root, "config", "filter.broken.clean", "cat")
        commit(root, {".gitattributes": "*.x filter=broken\n"})
        commit(root, {"a.x": "a"})
        with pytest.raises(GitError, match=r"cannot export commit HEAD: .*smudge filter broken"):
            export_tree(root, "HEAD", tmp_path / "out")

    @pytest.mark.parametrize("is_configured", [True, False])
    def test_what_git_lfs_cannot_fetch_stays_a_pointer(
        self, root: Path, tmp_path: Path, is_configured: bool
    ) -> None:
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        sha = commit(root, {"asset.bin": pointer, ".gitattributes": "*.bin filter=lfs -text\n"})
        if is_configured:
            git(root, "config", "filter.lfs.required", "true")
            git(root, "config", "filter.lfs.process", "no-such-git-lfs filter-process")
            git(root, "config", "filter.lfs.smudge", "no-such-git-lfs smudge -- %f")
        export_tree(root, sha, tmp_path / "out")
        assert (tmp_path / "out/asset.bin").read_text() == pointer
        assert (tmp_path / "out/a.txt").read_text() == "one\n"

    def test_a_sparse_checkout_does_not_matter(self, root: Path, tmp_path: Path) -> None:
        git(root, "sparse-checkout", "set", "lib")
        commit(root, {"lib/c.txt": "three\n"})
        assert not working_tree(root).dirty
        export_tree(root, "HEAD", tmp_path / "out")
        assert sorted(contents(tmp_path / "out")) == ["a.txt", "lib/b.txt", "lib/c.txt"]

    def test_hooks_do_not_run(self, root: Path, tmp_path: Path) -> None:
        hook = root / ".git/hooks/post-checkout"
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
        export_tree(root, "HEAD", tmp_path / "out")
        assert not (tmp_path / "ran").exists()

    def test_an_empty_commit(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet", "new")
        git(tmp_path / "new", "commit", "--quiet", "--allow-empty", "--message", "Nothing")
        export_tree(tmp_path / "new", "HEAD", tmp_path / "out")
        assert contents(tmp_path / "out") == {}

    def test_a_folder_that_is_not_empty(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/x").write_text("")
        with pytest.raises(GitError, match="it is not empty"):
            export_tree(root, "HEAD", tmp_path / "out")
        with pytest.raises(GitError, match="it is not empty"):
            export_working_tree(root, tmp_path / "out")

    def test_a_destination_within_the_work_tree(self, root: Path) -> None:
        export_tree(root, "HEAD", root / ".infraci/tree")
        assert contents(root / ".infraci/tree")["a.txt"] == "one\n"

    def test_from_a_hook_with_an_index_of_its_own(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(root)
        monkeypatch.setenv("GIT_DIR", ".git")
        monkeypatch.setenv("GIT_INDEX_FILE", str(root / ".git/index"))
        before = (root / ".git/index").read_bytes()
        assert repository_root(Path.cwd()) == root
        export_tree(root, resolve(root).sha, tmp_path / "out")
        assert "a.txt" in contents(tmp_path / "out")
        assert (root / ".git/index").read_bytes() == before


class TestSubmodules:
    """Submodules, from their clones."""

    @pytest.fixture
    def outer(self, root: Path, tmp_path: Path) -> Path:
        """A repository with the other one in it as a submodule."""
        outer = tmp_path / "outer"
        outer.mkdir()
        git(outer, "init", "--quiet")
        git(outer, "submodule", "--quiet", "add", str(root), "shared/lib")
        commit(outer, {"x.txt": "x"})
        return outer

    def test_come_from_their_clones(self, outer: Path, tmp_path: Path) -> None:
        expected = {"x.txt": "x", "shared/lib/a.txt": "one\n", "shared/lib/lib/b.txt": "two\n"}
        export_tree(outer, "HEAD", tmp_path / "commit")
        assert contents(tmp_path / "commit").items() >= expected.items()
        (outer / "shared/lib/a.txt").write_text("changed\n")
        assert working_tree(outer).dirty
        export_working_tree(outer, tmp_path / "tree")
        assert contents(tmp_path / "tree")["shared/lib/a.txt"] == "changed\n"

    def test_one_that_is_not_cloned_is_named(self, outer: Path, tmp_path: Path) -> None:
        git(tmp_path, "clone", "--quiet", str(outer), "plain")
        with pytest.raises(UsageError, match="cannot export submodule shared/lib") as caught:
            export_tree(tmp_path / "plain", "HEAD", tmp_path / "out")
        assert "git submodule update --init" in str(caught.value.hint)

    def test_a_gitlink_that_nothing_explains_is_an_empty_folder(
        self, outer: Path, tmp_path: Path
    ) -> None:
        """As a checkout has it: no command could clone it."""
        linked = git(outer / "shared/lib", "rev-parse", "HEAD")
        git(outer, "update-index", "--add", "--cacheinfo", f"160000,{linked},vendor/orphan")
        git(outer, "commit", "--quiet", "--message=Link")
        assert export_tree(outer, "HEAD", tmp_path / "out") == ("vendor/orphan",)
        assert list((tmp_path / "out/vendor/orphan").iterdir()) == []
        assert (tmp_path / "out/shared/lib/a.txt").read_text() == "one\n"

    def test_a_gitlink_that_has_a_clone_needs_no_explanation(
        self, outer: Path, root: Path, tmp_path: Path
    ) -> None:
        git(outer, "rm", "--quiet", "--cached", ".gitmodules")
        git(outer, "commit", "--quiet", "--message=Explain nothing")
        assert export_tree(outer, "HEAD", tmp_path / "out") == ()
        assert (tmp_path / "out/shared/lib/a.txt").read_text() == "one\n"


class TestExportWorkingTree:
    """The work tree's files, copied."""

    def test_tracked_and_untracked_but_not_ignored(self, root: Path, tmp_path: Path) -> None:
        commit(root, {".gitignore": "*.log\n/build/\n", "gone.txt": "x"})
        (root / "gone.txt").unlink()
        (root / "a.txt").write_text("changed\n")
        (root / "new").mkdir()
        (root / "new/c.txt").write_text("new\n")
        (root / "x.log").write_text("noise")
        (root / "build").mkdir()
        (root / "build/y").write_text("noise")
        export_working_tree(root, tmp_path / "out")
        assert contents(tmp_path / "out") == {
            ".gitignore": "*.log\n/build/\n",
            "a.txt": "changed\n",
            "lib/b.txt": "two\n",
            "new/c.txt": "new\n",
        }

    def test_later_edits_do_not_reach_the_copy(self, root: Path, tmp_path: Path) -> None:
        export_working_tree(root, tmp_path / "out")
        (root / "a.txt").write_text("later\n")
        assert (tmp_path / "out/a.txt").read_text() == "one\n"

    def test_a_pipe_is_left_out(self, root: Path, tmp_path: Path) -> None:
        os.mkfifo(root / "pipe")
        export_working_tree(root, tmp_path / "out")
        assert not (tmp_path / "out/pipe").exists()

    def test_a_conflict_is_copied_once_as_it_stands(self, root: Path, tmp_path: Path) -> None:
        git(root, "checkout", "--quiet", "-b", "other")
        commit(root, {"a.txt": "theirs\n"})
        git(root, "checkout", "--quiet", "main")
        commit(root, {"a.txt": "ours\n"})
        subprocess.run(["git", "merge", "--quiet", "other"], cwd=root, check=False)
        assert working_tree(root).dirty
        export_working_tree(root, tmp_path / "out")
        assert "<<<<<<<" in (tmp_path / "out/a.txt").read_text()
