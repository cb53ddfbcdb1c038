"""The commit under test, and its tree on disk; the user's index and work tree stay untouched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from infraci.base.deadline import duration
from infraci.base.display import displayable
from infraci.base.temporary import temporary_folder
from infraci.base.trust import is_untrusted
from infraci.errors import InfraciError, UsageError, raise_of_machine
from infraci.model.problem import near, quoted
from infraci.model.run import Commit

_FORMAT = "%H%x00%aN%x00%aE%x00%aI%x00%s"
_SUBMODULE = "160000"
#: A checkout of a large tree and a fetch by a slow line take minutes; nothing takes longer.
_LIMIT_S = 900.0
#: What `git rev-parse --local-env-vars` lists, of all versions: git tells its hooks by these which
#: repository and index a command is about. But GIT_CONFIG_COUNT and GIT_CONFIG_PARAMETERS are
#: settings of the user's, as of `safe.directory`, and lead to no other repository.
_OF_CALLER = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
#: Settings of the user's that concern a work tree which is not the one we write.
_OWN_INDEX = (
    "-c", "core.sparseCheckout=false",
    "-c", "core.fsmonitor=false",
    "-c", "core.splitIndex=false",
    "-c", "core.untrackedCache=false",
)  # fmt: skip
#: Leaves the pointers of LFS as they are; `infraci.plan.lfs` finds those that a pipeline uses.
_WITHOUT_LFS = (
    "-c", "filter.lfs.required=false",
    "-c", "filter.lfs.process=",
    "-c", "filter.lfs.smudge=",
)  # fmt: skip


#: What git itself writes where there is no commit.
UNBORN = "0" * 40


class GitError(InfraciError):
    """git could not do what was asked, for a reason that lies in no commit."""

    def __init__(self, what: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(f"{what}: {reason}", reason=reason, hint=hint)


def repository_root(start: Path) -> Path:
    """The top of the repository's work tree around a folder.

    Raises UsageError where there is none, or git refuses to trust it.
    """
    folder = start if start.is_dir() else start.parent
    if not folder.exists():
        raise UsageError(f"cannot find a git repository: there is no {start}")
    try:
        bare, *top = ask(
            folder, "rev-parse", "--is-bare-repository", "--is-inside-work-tree"
        ).splitlines()
        if bare == "true":
            raise UsageError(
                f"cannot work in {folder}: it is a bare repository",
                hint="`git worktree add ../work` makes a work tree of it",
            )
        if top == ["false"]:
            raise UsageError(
                f"cannot work in {folder}: it is inside a .git folder", hint="go to its work tree"
            )
        return Path(ask(folder, "rev-parse", "--show-toplevel").removesuffix("\n"))
    except GitError as error:
        _explain_no_repository(folder, error)


def resolve(root: Path, revision: str = "HEAD") -> Commit:
    """The commit that a revision names: a branch, a tag, a sha, ``HEAD~2``.

    Raises UsageError for one that names no commit of this repository.
    """
    if not revision.strip() or revision.startswith("-") or "\0" in revision:
        raise UsageError(f'cannot find commit "{displayable(revision)}": that names no revision')
    try:
        sha = _object(root, f"{revision}^{{commit}}")
    except GitError as error:
        _explain_no_commit(root, revision, error)
    return _commit(root, sha)


def working_tree(root: Path, *, may_be_unborn: bool = False) -> Commit:
    """The commit checked out, marked dirty if anything tracked or untracked differs from it.

    A repository that has none yet may have one that is no commit of git's; see ``UNBORN``.
    """
    if may_be_unborn and _is_unborn(root):
        return Commit(
            sha=UNBORN, author="", email="", date="", subject="nothing committed yet", dirty=True
        )
    return replace(resolve(root), dirty=is_dirty(root))


def is_dirty(root: Path) -> bool:
    """Whether anything tracked or untracked differs from the commit checked out."""
    return bool(ask(root, "status", "--porcelain", "-z", "--untracked-files=normal"))


def base_of(root: Path, commit: Commit, revision: str | None = None) -> Commit:
    """The commit that an upgrade to a commit begins from.

    A branch (also one that only ``origin`` has, as in CI engines' clones) means the merge base
    with it, any other revision itself. Without a revision, or on the branch itself, it is the
    first parent; for uncommitted changes it is the commit they were made on.

    Raises UsageError where there is no such commit.
    """
    if commit.sha == UNBORN:
        raise UsageError("cannot upgrade from anything: the repository has no commit yet")
    if revision is None:
        return _commit(root, commit.sha) if commit.dirty else _parent(root, commit)
    branch = None if revision.startswith("-") else _branch(root, revision)
    if branch is None:
        return resolve(root, revision)
    try:
        sha = ask(root, "merge-base", "--end-of-options", commit.sha, branch).strip()
    except GitError as error:
        raise UsageError(
            f'cannot upgrade from "{displayable(revision)}": it has no commit in common with '
            f"{commit.short}",
            hint=_shallow_hint(root),
        ) from error
    return base_of(root, commit) if sha == commit.sha else _commit(root, sha)


def changed_files(root: Path, commit: Commit) -> tuple[str, ...] | None:
    """What a commit changes since its first parent, or a working tree since its commit.

    None if nobody can tell: the commit has no parent, or not in this shallow clone.
    """
    names = ("diff", "--name-only", "--no-renames", "-z", "--end-of-options")
    if commit.dirty:
        untracked = ask(root, "ls-files", "--others", "--exclude-standard", "-z")
        return _split(ask(root, *names, commit.sha) + untracked)
    try:
        return _split(ask(root, *names, f"{commit.sha}^1", commit.sha))
    except GitError:
        return None


def _split(names: str) -> tuple[str, ...]:
    return tuple(filter(None, names.split("\0")))


def _object(root: Path, revision: str) -> str:
    """The sha that a revision names. Raises GitError where there is no such object."""
    return ask(root, "rev-parse", "--verify", "--end-of-options", revision).strip()


def _branch(root: Path, revision: str) -> str | None:
    """The full name of a branch, None if the revision is something else."""
    for name in (revision, f"refs/remotes/origin/{revision}"):
        with suppress(GitError):
            full = ask(
                root, "rev-parse", "--verify", "--symbolic-full-name", "--end-of-options", name
            ).strip()
            if full.startswith(("refs/heads/", "refs/remotes/")):
                return full
            if full or name == revision:
                return None
    return None


def _parent(root: Path, commit: Commit) -> Commit:
    try:
        return _commit(root, _object(root, f"{commit.sha}^1"))
    except GitError as error:
        raise UsageError(
            f"cannot upgrade to {commit.short}: it has no parent to upgrade from",
            hint=_shallow_hint(root) or "say from which commit: upgrade: {from: REVISION}",
        ) from error


def _shallow_hint(root: Path) -> str | None:
    if ask(root, "rev-parse", "--is-shallow-repository").strip() != "true":
        return None
    return "this clone is shallow: `git fetch --unshallow` fetches the rest"


def export_tree(root: Path, sha: str, destination: Path) -> tuple[str, ...]:
    """Write all files of a commit into a new or empty folder, as a checkout would have them.

    Attributes and filters (line ends, LFS) apply as that commit says. Submodules come from their
    clones in the work tree; UsageError names one that has not been cloned there. Gitlinks that
    ``.gitmodules`` does not explain, and that have no clone, become empty folders; these are
    returned.
    """
    _prepare(destination)
    directory = Path(ask(root, "rev-parse", "--absolute-git-dir").removesuffix("\n"))
    with temporary_folder("index") as folder:
        environment = {
            "GIT_DIR": str(directory),
            "GIT_WORK_TREE": str(destination),
            "GIT_INDEX_FILE": str(folder / "index"),
        }
        try:
            # In two steps, since `read-tree -u` takes six times as long for the same.
            command = ("read-tree", "--end-of-options", sha)
            ask(destination, *command, options=_OWN_INDEX, environment=environment)
            _check_out(destination, environment)
        except GitError as error:
            raise GitError(
                f"cannot export commit {sha[:10]}", reason=error.reason, hint=error.hint
            ) from error
    links = _gitlinks(root, sha)
    declared = _submodules(root, sha) if links else frozenset()
    return tuple(
        empty
        for path, linked in links
        for empty in _export_gitlink(root, path, linked, destination, path in declared)
    )


def _check_out(destination: Path, environment: Mapping[str, str]) -> None:
    """Write all files of an index; without LFS where git-lfs is missing, or an object of its."""
    command = ("checkout-index", "--all", "--force")
    if is_untrusted():  # such a commit says from where LFS takes what it points to
        options = (*_OWN_INDEX, *_WITHOUT_LFS)
        ask(destination, *command, options=options, environment=environment)
        return
    try:
        ask(destination, *command, options=_OWN_INDEX, environment=environment)
    except GitError as error:
        options = (*_OWN_INDEX, *_WITHOUT_LFS)
        try:
            ask(destination, *command, options=options, environment=environment)
        except GitError:
            raise error from None


def export_working_tree(root: Path, destination: Path) -> None:
    """Copy the work tree's tracked and untracked files, without ignored ones, to a new folder."""
    _prepare(destination)
    listed = ask(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in dict.fromkeys(filter(None, listed.split("\0"))):
        source, target = root / name, destination / name
        try:
            if source.is_symlink() or source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
            elif source.is_dir() and (source / ".git").exists() and not name.endswith("/"):
                export_working_tree(source, target)
        except FileNotFoundError:  # deleted, before or while it was copied
            continue
        except OSError as error:
            raise GitError(f"cannot copy {name}", reason=error.strerror or str(error)) from error


def _commit(root: Path, sha: str) -> Commit:
    shown = ask(
        root, "log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8",
        f"--format={_FORMAT}", "--end-of-options", sha, "--",
    )  # fmt: skip
    sha, author, email, date, subject = shown.rstrip("\n").split("\0", 4)
    return Commit(
        sha=sha,
        author=displayable(author),
        email=displayable(email),
        date=date,
        subject=displayable(subject),
    )


def _prepare(destination: Path) -> None:
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if any(destination.iterdir()):
            raise GitError(f"cannot export to {destination}", reason="it is not empty")
    except OSError as error:
        raise GitError(f"cannot export to {destination}", reason=str(error.strerror)) from error


def _submodules(root: Path, sha: str) -> frozenset[str]:
    """The paths that a commit's .gitmodules says where to clone from."""
    try:
        listed = ask(
            root, "config", f"--blob={sha}:.gitmodules", "--null", "--get-regexp", r"\.path$"
        )
    except GitError:  # there is none
        return frozenset()
    return frozenset(entry.partition("\n")[2] for entry in listed.split("\0") if entry)


def _gitlinks(root: Path, sha: str) -> list[tuple[str, str]]:
    """Path and commit of every gitlink in a commit: submodules, and what is left of others."""
    listed = ask(root, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", sha)
    entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
    modes = ((details.split(), path) for details, path in entries)
    return [(path, details[2]) for details, path in modes if details[0] == _SUBMODULE]


def _export_gitlink(
    root: Path, path: str, sha: str, destination: Path, is_submodule: bool
) -> tuple[str, ...]:
    """Export what a gitlink leads to; returns the paths of those that lead nowhere."""
    clone = root / path
    asked = ("cat-file", "-e", "--end-of-options", f"{sha}^{{commit}}")
    if (clone / ".git").exists() and _succeeds(clone, *asked):
        return tuple(f"{path}/{inner}" for inner in export_tree(clone, sha, destination / path))
    if not is_submodule:
        return (path,)
    raise UsageError(
        f"cannot export submodule {path}: its commit {sha[:10]} is not in {clone}",
        hint="`git submodule update --init --recursive` fetches submodules",
    )


def forget_caller() -> None:
    """Take out of this process's environment which repository a hook is run for.

    The folder alone says which one is meant, here and in all programs that are started later.
    """
    for name in _OF_CALLER:
        os.environ.pop(name, None)


def ask_git_dir(git_dir: Path, *arguments: str, stdin: bytes = b"") -> str:
    """What git prints of a repository that is known by its .git folder, or is bare."""
    return ask(git_dir, *arguments, options=(f"--git-dir={git_dir}",), stdin=stdin)


def ask(
    folder: Path,
    *arguments: str,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> str:
    """What git prints; GitError, with git's own words, when it fails."""
    answer = ask_bytes(folder, *arguments, options=options, environment=environment, stdin=stdin)
    return answer.decode("utf-8", "surrogateescape")


def ask_bytes(
    folder: Path,
    *arguments: str,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> bytes:
    """The same for what may not be text."""
    forget_caller()
    try:
        from git import Git
        from git.exc import GitCommandNotFound
    except (ImportError, OSError) as error:
        raise_of_machine(error)
        raise GitError(
            "cannot run git", reason="it is not installed", hint="install git"
        ) from error
    git = Git(str(folder))
    git.update_environment(
        GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C", **(environment or {})
    )
    try:
        with _given(stdin) as given:
            command = ["git", *options, *arguments]
            # It ends the process when it is collected itself.
            running = git.execute(command, istream=given, as_process=True)
            status, answer, stderr = _finish(running.proc)
    except GitCommandNotFound as error:
        raise GitError(
            "cannot run git", reason="it is not installed", hint="install git"
        ) from error
    except OSError as error:
        raise_of_machine(error)
        raise GitError("cannot run git", reason=error.strerror or str(error)) from error
    except subprocess.TimeoutExpired as error:
        reason = f"it did not end within {duration(_LIMIT_S)}"
        raise GitError(f"cannot run git {arguments[0]}", reason=reason) from error
    if status != 0:
        raise GitError(f"cannot run git {arguments[0]}", reason=_said(stderr))
    return answer


@contextmanager
def _given(stdin: bytes) -> Iterator[Any]:
    """A file with what git is to read; None, which takes no room on a disk, for nothing."""
    if not stdin:
        yield None
        return
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        yield given


def _finish(process: Any) -> tuple[int, bytes, str]:
    """The exit status of a process of GitPython's, and what it prints; GitPython has no limit."""
    try:
        answer, stderr = process.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, answer, stderr.decode("utf-8", "surrogateescape")


def _said(stderr: str) -> str:
    """Git's own words."""
    text = stderr.strip()
    text = re.sub(r"(?<=://)[^/@\s]+@", "", text)  # who logs in to a remote, and by what
    return displayable(text.replace("fatal: ", "").replace("error: ", "")) or "it gave no reason"


def _explain_no_repository(folder: Path, error: GitError) -> NoReturn:
    if "dubious ownership" in error.message:
        named = re.search(r"repository at '([^']+)'", error.message)
        top = named[1] if named else folder.resolve()
        raise UsageError(
            f"cannot use the git repository at {top}: it belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {top}",
        ) from error
    if "not a git repository" in error.message:
        raise UsageError(
            f"cannot find a git repository: neither {folder} nor a folder above it is one",
            hint="infraci tests commits: run it in a repository, or `git init` one",
        ) from error
    raise error


def _explain_no_commit(root: Path, revision: str, error: GitError) -> NoReturn:
    shown = f'cannot find commit "{displayable(revision)}"'
    if "ambiguous" in error.message and "short" in error.message:
        raise UsageError(f"{shown}: several begin so", hint="give more of the sha") from error
    if "dubious ownership" in error.message:
        _explain_no_repository(root, error)
    references = ask(
        root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes"
    ).split()
    if not references and _is_unborn(root):
        raise UsageError(
            f"{shown}: the repository has no commit yet", hint="commit something first"
        ) from error
    if _names_something(root, revision):
        raise UsageError(f"{shown}: that names a file or a folder, not a commit") from error
    if shallow := _shallow_hint(root):
        hint = shallow
    elif meant := near(revision, references):
        hint = f'did you mean "{meant}"?'
    elif references and not set(revision) & set("~^@:{}"):
        hint = f"there are {quoted(references[:8], 'and')}"
    else:
        hint = "`git log` shows the commits"
    raise UsageError(f"{shown}: there is no such revision here", hint=hint) from error


def _is_unborn(root: Path) -> bool:
    return not _succeeds(root, "rev-parse", "--verify", "--quiet", "HEAD")


def _names_something(root: Path, revision: str) -> bool:
    return _succeeds(root, "cat-file", "-t", "--end-of-options", revision)


def _succeeds(root: Path, *arguments: str) -> bool:
    try:
        ask(root, *arguments)
    except GitError:
        return False
    return True
