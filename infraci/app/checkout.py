"""The commit under test: which one, and its files on disk."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

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
    """A repository, the commit under test, and the folder that its files are exported to."""

    root: Path
    commit: Commit
    tree: Path


@contextmanager
def open_checkout(
    *,
    commit: str | None = None,
    working_tree: bool = False,
    quiet: bool = False,
    may_be_unborn: bool = False,
    preload: Sequence[str] | None = None,
) -> Iterator[Checkout]:
    """The commit's files, exported for as long as they are needed.

    Without a commit it is HEAD; a line says so if there are changes that will not be tested. Only
    a working tree ``may_be_unborn``: of a repository without any commit. With ``preload``, imports
    openstacksdk and these modules while git works.
    """
    with ExitStack() as files:
        with preloading(*preload) if preload is not None else nullcontext():
            checkout = files.enter_context(
                _open_checkout(commit, working_tree, quiet=quiet, may_be_unborn=may_be_unborn)
            )
        yield checkout


@contextmanager
def _open_checkout(
    commit: str | None, working_tree: bool, *, quiet: bool, may_be_unborn: bool
) -> Iterator[Checkout]:
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
    """Remove the trees of processes that have died; returns their number."""
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


@contextmanager
def preloading(*modules: str) -> Iterator[None]:
    """Import openstacksdk and then these modules in a thread, while git does what the block asks.

    Nothing that these might import may be imported in the block as well: two threads must not meet
    in the same package. GitPython comes first, since the block needs it at once.
    """
    with suppress(ImportError):  # the block imports it again, and reports it
        importlib.import_module("infraci.git.bounded")
    thread = Thread(target=_import, args=(modules,), name="import", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _import(modules: Sequence[str]) -> None:
    with suppress(Exception):  # the code that uses the module imports it again, and reports it
        for name in ("openstack.config", *modules):
            importlib.import_module(name)
