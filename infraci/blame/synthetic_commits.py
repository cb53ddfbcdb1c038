"""Makes commits for experiments: reverts and merges, without references and work trees."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from infraci import git

#: Always the same author and date, so that the same commit is one object.
_ALWAYS = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "infraci"),
        ("EMAIL", "infraci@localhost"),
        ("DATE", "1000000000 +0000"),
    )
}


def without(root: Path, head: str, culprit: str) -> str | None:
    """Make a head without a commit's change; returns None if that does not revert cleanly.

    ``git merge-tree`` merges trees since git 2.38, but takes a merge base only since 2.40: here
    both sides are made descendants of the culprit's tree.
    """
    with suppress(git.GitError):
        base = _commit(root, f"{culprit}^{{tree}}")
        ours = _commit(root, f"{head}^{{tree}}", base)
        theirs = _commit(root, f"{culprit}^1^{{tree}}", base)
        merged_tree = _merge(root, ours, theirs)
        if merged_tree != tree_of(root, head):
            return _commit(root, merged_tree, head, message=f"Without {culprit}")
    return None


def merged(root: Path, one: str, other: str) -> str | None:
    """Merge two commits; returns None if they conflict."""
    with suppress(git.GitError):
        return _commit(root, _merge(root, one, other), one, other, message="Merge")
    return None


def tree_of(root: Path, commit: str) -> str:
    """The tree of a commit."""
    return git.run(root, "rev-parse", "--verify", f"{commit}^{{tree}}").strip()


def _merge(root: Path, ours: str, theirs: str) -> str:
    """The tree of a merge. Raises GitError where it conflicts, or git is older than 2.38."""
    return git.run(root, "merge-tree", "--write-tree", ours, theirs).split()[0]


def _commit(root: Path, tree: str, *parents: str, message: str = "One side") -> str:
    sha = git.run(root, "rev-parse", "--verify", tree).strip()
    options = [word for parent in parents for word in ("-p", parent)]
    return git.run(root, "commit-tree", sha, *options, "-m", message, environment=_ALWAYS).strip()
