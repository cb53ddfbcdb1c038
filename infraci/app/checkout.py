"""The commit under test: which one, and its files on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infraci import git
from infraci.base.atomic import SHARED, replace_file
from infraci.base.display import displayable
from infraci.base.temporary import locked_folder, remove_dead, remove_unlocked
from infraci.base.terminal import say
from infraci.errors import InfraciError, UsageError
from infraci.model.run import Commit

_TREES = Path(".infraci") / "trees"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """What is tested: a repository, the commit, and where its files are."""

    root: Path
    commit: Commit
    tree: Path


@contextmanager
def open_source(
    *,
    commit: str | None = None,
    working_tree: bool = False,
    quiet: bool = False,
    may_be_unborn: bool = False,
) -> Iterator[Checkout]:
    """The commit's files, exported for as long as they are needed.

    Without a commit it is HEAD; a line says so if there are changes that will not be tested. Only
    a working tree ``may_be_unborn``: of a repository without any commit.
    """
    if commit is not None and working_tree:
        raise UsageError("cannot test --commit and --working-tree at once: choose one")
    root = git.repository_root(Path.cwd())
    if working_tree:
        tested = git.working_tree(root, may_be_unborn=may_be_unborn)
    else:
        tested = git.resolve(root, commit or "HEAD")
        if commit is None and not quiet and git.is_dirty(root):
            say("note: uncommitted changes are not tested (--working-tree tests them)", err=True)
    with exported(root, tested) as tree:
        yield Checkout(root=root, commit=tested, tree=tree)


@contextmanager
def exported(root: Path, commit: Commit) -> Iterator[Path]:
    """The files of a commit, or of the working tree where that was tested."""
    trees = root / _TREES
    with ExitStack() as stack:
        with _writing(trees):
            _prepare(trees)
            remove_dead_trees(root)
            remove_dead()
            tree = stack.enter_context(locked_folder(commit.sha[:10], parent=trees))
        if commit.dirty:
            git.export_working_tree(root, tree)
        else:
            for path in git.export_tree(root, commit.sha, tree):
                say(
                    f"note: {displayable(path)} is empty: {commit.short} has a commit in its "
                    "place, and no .gitmodules that says where to clone it from",
                    err=True,
                )
        yield tree


def remove_dead_trees(root: Path) -> int:
    """Remove what processes that died have exported; returns how many trees that were."""
    with suppress(FileNotFoundError):
        return remove_unlocked(root / _TREES)
    return 0


def _prepare(trees: Path) -> None:
    trees.mkdir(parents=True, exist_ok=True)
    ignore = trees.parent / ".gitignore"
    if not ignore.exists():
        replace_file(ignore, "*\n", mode=SHARED)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise InfraciError(f"cannot write {where}: {error.strerror or error}") from error
