"""The commit under test: what a revision names, what it changes, what an upgrade begins from."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from infraci.base.display import displayable
from infraci.errors import UsageError
from infraci.git.git_program import GitError, run, succeeds
from infraci.git.repository import explain_refusal, has_all_commits, merge_base
from infraci.model.problem import near, quoted
from infraci.model.run import Commit

#: The name that git writes where there is no commit.
UNBORN = "0" * 40
_FORMAT = "%H%x00%aN%x00%aE%x00%aI%x00%s"


def resolve(root: Path, revision: str = "HEAD") -> Commit:
    """Find the commit that a revision names: a branch, a tag, a sha, ``HEAD~2``.

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
    """Describe the commit checked out, marked dirty if a tracked or untracked file differs.

    ``may_be_unborn`` allows a repository without commits; its commit is called ``UNBORN``.
    """
    if may_be_unborn and _is_unborn(root):
        return Commit(
            sha=UNBORN, author="", email="", date="", subject="nothing committed yet", dirty=True
        )
    return replace(resolve(root), dirty=is_dirty(root))


def is_dirty(root: Path) -> bool:
    """Whether a tracked or untracked file differs from the commit checked out."""
    return bool(run(root, "status", "--porcelain", "-z", "--untracked-files=normal"))


def base_of(root: Path, commit: Commit, revision: str | None = None) -> Commit:
    """Find the commit that an upgrade to a commit begins from.

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
    sha = merge_base(root, commit.sha, branch)
    if sha is None:
        raise UsageError(
            f'cannot upgrade from "{displayable(revision)}": it has no commit in common with '
            f"{commit.short}",
            hint=_shallow_hint(root),
        )
    return base_of(root, commit) if sha == commit.sha else _commit(root, sha)


def changed_files(root: Path, commit: Commit) -> tuple[str, ...] | None:
    """The files that a commit changes since its first parent, or a working tree since its commit.

    None if the commit has no parent, or this shallow clone does not have it.
    """
    names = ("diff", "--name-only", "--no-renames", "-z", "--end-of-options")
    if commit.dirty:
        untracked = run(root, "ls-files", "--others", "--exclude-standard", "-z")
        return _paths(run(root, *names, commit.sha) + untracked)
    try:
        return _paths(run(root, *names, f"{commit.sha}^1", commit.sha))
    except GitError:
        return None


def _paths(names: str) -> tuple[str, ...]:
    return tuple(filter(None, names.split("\0")))


def _object(root: Path, revision: str) -> str:
    """The sha that a revision names. Raises GitError where there is no such object."""
    return run(root, "rev-parse", "--verify", "--end-of-options", revision).strip()


def _branch(root: Path, revision: str) -> str | None:
    """The full name of a branch; None if the revision is no branch."""
    for name in (revision, f"refs/remotes/origin/{revision}"):
        with suppress(GitError):
            full = run(
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
    if has_all_commits(root):
        return None
    return "this clone is shallow: `git fetch --unshallow` fetches the rest"


def _commit(root: Path, sha: str) -> Commit:
    fields = run(
        root, "log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8",
        f"--format={_FORMAT}", "--end-of-options", sha, "--",
    )  # fmt: skip
    sha, author, email, date, subject = fields.rstrip("\n").split("\0", 4)
    return Commit(
        sha=sha,
        author=displayable(author),
        email=displayable(email),
        date=date,
        subject=displayable(subject),
    )


def _explain_no_commit(root: Path, revision: str, error: GitError) -> NoReturn:
    shown = f'cannot find commit "{displayable(revision)}"'
    explain_refusal(root, error)
    if _is_ambiguous(root, revision):
        raise UsageError(f"{shown}: several begin so", hint="give more of the sha") from error
    references = run(
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


def _is_ambiguous(root: Path, revision: str) -> bool:
    """Whether several objects' names begin with the sha that a revision begins with."""
    short = re.match(r"[0-9a-fA-F]{4,}(?=[~^@:]|$)", revision)
    if short is None:
        return False
    return len(run(root, "rev-parse", f"--disambiguate={short[0]}").split()) > 1


def _is_unborn(root: Path) -> bool:
    return not succeeds(root, "rev-parse", "--verify", "--quiet", "HEAD")


def _names_something(root: Path, revision: str) -> bool:
    return succeeds(root, "cat-file", "-t", "--end-of-options", revision)
