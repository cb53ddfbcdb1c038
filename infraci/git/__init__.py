"""Git repositories: the commit under test and its tree, the commits around it, the git program."""

from __future__ import annotations

from infraci.git.commits import (
    UNBORN,
    base_of,
    changed_files,
    is_dirty,
    resolve,
    working_tree,
)
from infraci.git.export import export_tree, export_working_tree
from infraci.git.git_program import (
    GitError,
    forget_caller,
    run,
    run_bytes,
    run_in_git_dir,
)
from infraci.git.repository import (
    find_git_dir,
    has_all_commits,
    is_ancestor,
    merge_base,
    remotes,
    repository_root,
)

__all__ = [
    "UNBORN",
    "GitError",
    "base_of",
    "changed_files",
    "export_tree",
    "export_working_tree",
    "find_git_dir",
    "forget_caller",
    "has_all_commits",
    "is_ancestor",
    "is_dirty",
    "merge_base",
    "remotes",
    "repository_root",
    "resolve",
    "run",
    "run_bytes",
    "run_in_git_dir",
    "working_tree",
]
