"""Which repository a folder is in, and what it says of itself."""

from __future__ import annotations

import configparser
import os
from pathlib import Path

from infraci.errors import UsageError
from infraci.git.git_program import GitError, forget_caller, run, succeeds

#: Refuses a repository that lies in the work tree of another like its other files.
_NO_HIDDEN_ONE = ("-c", "safe.bareRepository=explicit")


def repository_root(start: Path) -> Path:
    """The top of the repository's work tree around a folder.

    Raises UsageError where there is none, or git refuses to trust it.
    """
    folder = start if start.is_dir() else start.parent
    if not folder.exists():
        raise UsageError(f"cannot find a git repository: there is no {start}")
    try:
        bare, *top = run(
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
        shown = run(folder, "rev-parse", "--show-toplevel", options=_NO_HIDDEN_ONE)
        return Path(shown.removesuffix("\n"))
    except GitError as error:
        if "safe.bareRepository" in error.reason:
            raise UsageError(
                f"cannot work in {folder}: its repository has no .git folder, so a commit may have"
                " brought it, with settings by which git runs programs",
                hint="go to the work tree of the repository around it",
            ) from error
        explain_refusal(folder, error)
        raise


def find_git_dir(start: Path) -> Path:
    """The .git folder of the repository around a folder, or the bare repository itself.

    Raises UsageError where there is none, or git refuses to trust it.
    """
    try:
        return Path(run(start, "rev-parse", "--absolute-git-dir").removesuffix("\n"))
    except GitError as error:
        explain_refusal(start, error)
        raise


def explain_refusal(folder: Path, error: GitError) -> None:
    """Raise UsageError if git refuses a folder: it is in no repository, or in another user's."""
    if error.status is None or succeeds(folder, "rev-parse", "--git-dir"):
        return
    top = _top(folder)
    if top is None:
        raise UsageError(
            f"cannot find a git repository: neither {folder} nor a folder above it is one",
            hint="infraci tests commits: run it in a repository, or `git init` one",
        ) from error
    if not _is_own(top):
        raise UsageError(
            f"cannot use the git repository at {top}: it belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {top}",
        ) from error


def is_ancestor(root: Path, commit: str, descendant: str) -> bool:
    """Whether one commit is, or leads to, another. Raises GitError if one of them is missing."""
    forget_caller()
    from git import exc

    from infraci.git.bounded import BoundedRepository

    try:
        with BoundedRepository(root, expand_vars=False) as repository:
            # It hands names to git as well as commits.
            return repository.is_ancestor(commit, descendant)  # type: ignore[arg-type]
    except exc.GitError as error:
        raise GitError(
            f"cannot compare {commit[:10]} with {descendant[:10]}",
            reason="git cannot read one of them",
        ) from error


def merge_base(root: Path, one: str, other: str) -> str | None:
    """The best commit that two commits have in common; None if there is none."""
    try:
        return run(root, "merge-base", "--end-of-options", one, other).split()[0]
    except GitError as error:
        if error.status == 1:
            return None
        raise


def has_all_commits(root: Path) -> bool:
    """Whether the clone has the whole history, so that a commit without parents is the first."""
    return run(root, "rev-parse", "--is-shallow-repository").strip() == "false"


def remotes(root: Path) -> list[str]:
    """The names of the remotes."""
    return run(root, "remote").split()


def _top(folder: Path) -> Path | None:
    """The work tree or bare repository that a folder is in, whether git trusts it or not."""
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    from infraci.git.bounded import BoundedRepository

    try:
        with BoundedRepository(
            folder.resolve(), search_parent_directories=True, expand_vars=False
        ) as repository:
            return Path(repository.working_tree_dir or repository.git_dir)
    except (InvalidGitRepositoryError, NoSuchPathError, configparser.Error):
        return None


def _is_own(top: Path) -> bool:
    """Whether git takes a repository for the user's own, by the owner of its folders."""
    users = {os.geteuid()}
    if os.geteuid() == 0 and (user := os.environ.get("SUDO_UID", "")).isdigit():
        users.add(int(user))
    git_dir = top / ".git"
    return all(path.lstat().st_uid in users for path in (top, git_dir) if path.exists())
