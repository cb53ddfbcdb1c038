"""Commits and trees of real repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infraci.errors import InfraciError, UsageError
from infraci.git import (
    GitError,
    base_of,
    changed_files,
    export_tree,
    export_working_tree,
    repository_root,
    resolve,
    working_tree,
)


@pytest.fixture(autouse=True)
def _own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the developer's settings nor those of a hook that runs these tests."""
    for name in list(os.environ):
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        "[user]\nname = Åsa\nemail = asa@example.org\n[init]\ndefaultBranch = main\n"
        '[protocol "file"]\nallow = always\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder: Path, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    ).stdout.strip()


def commit(root: Path, files: dict[str, str], message: str = "Change") -> str:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", message)
    return git(root, "rev-parse", "HEAD")


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    commit(folder, {"a.txt": "one\n", "lib/b.txt": "two\n"}, "Begin")
    return folder


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


class TestResolve:
    """Revisions, and what their commits say."""

    def test_what_a_commit_says(self, root: Path) -> None:
        sha = commit(root, {"a.txt": "x"}, "Open the port: ünï\n\nBecause.")
        found = resolve(root)
        assert (found.sha, found.author, found.email) == (sha, "Åsa", "asa@example.org")
        assert found.subject == "Open the port: ünï"
        assert found.dirty is False
        assert found.date.startswith("20")
        assert "T" in found.date

    def test_revisions(self, root: Path) -> None:
        first = git(root, "rev-parse", "HEAD")
        git(root, "tag", "-a", "-m", "v1", "v1")
        second = commit(root, {"a.txt": "x"})
        names = ("main", second[:8], "v1", "HEAD~1", "HEAD^", "@", "v1^{commit}")
        found = [resolve(root, name).sha for name in names]
        assert found == [second, second, first, first, first, second, first]

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
        found = resolve(root)
        assert found.author == "Eve"
        assert found.email == "eve @example.org"
        assert found.subject == "Fix gnp.exe it"

    def test_names_that_are_not_utf_8(self, root: Path) -> None:
        raw = (
            b"tree %s\nauthor Ren\xe9 <r@example.org> 1 +0100\ncommitter R <r> 1 +0000\n\nCaf\xe9\n"
        )
        tree = git(root, "rev-parse", "HEAD^{tree}").encode()
        sha = subprocess.run(
            ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
            cwd=root, input=raw % tree, check=True, capture_output=True,
        ).stdout.decode().strip()  # fmt: skip
        found = resolve(root, sha)
        assert found.author == "Ren\ufffd"
        assert found.subject == "Caf\ufffd"
        found.subject.encode()

    def test_the_users_settings_do_not_disturb(self, root: Path) -> None:
        git(root, "config", "color.ui", "always")
        git(root, "config", "log.showSignature", "true")
        git(root, "config", "i18n.logOutputEncoding", "ISO-8859-1")
        git(root, "config", "log.date", "relative")
        found = resolve(root)
        assert (found.author, found.subject) == ("Åsa", "Begin")
        assert found.date.startswith("20")


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
