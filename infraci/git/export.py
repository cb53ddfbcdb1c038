"""A commit's tree on disk; the user's index and work tree stay untouched."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from infraci.base.temporary import temporary_folder
from infraci.base.trust import is_untrusted
from infraci.errors import UsageError
from infraci.git.git_program import GitError, run, succeeds

_SUBMODULE = "160000"
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


def export_tree(root: Path, sha: str, destination: Path) -> tuple[str, ...]:
    """Write all files of a commit into a new or empty folder, as a checkout would have them.

    Attributes and filters (line ends, LFS) apply as that commit says. Submodules come from their
    clones in the work tree; UsageError names one that has not been cloned there. Gitlinks that
    ``.gitmodules`` does not explain, and that have no clone, become empty folders; these are
    returned.
    """
    _prepare(destination)
    directory = Path(run(root, "rev-parse", "--absolute-git-dir").removesuffix("\n"))
    with temporary_folder("index") as folder:
        environment = {
            "GIT_DIR": str(directory),
            "GIT_WORK_TREE": str(destination),
            "GIT_INDEX_FILE": str(folder / "index"),
        }
        try:
            # In two steps, since `read-tree -u` takes six times as long for the same.
            command = ("read-tree", "--end-of-options", sha)
            run(destination, *command, options=_OWN_INDEX, environment=environment)
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
    """Write all files of an index; LFS pointers stay where git-lfs or an object is missing."""
    command = ("checkout-index", "--all", "--force")
    if is_untrusted():  # such a commit says from where LFS takes what it points to
        options = (*_OWN_INDEX, *_WITHOUT_LFS)
        run(destination, *command, options=options, environment=environment)
        return
    try:
        run(destination, *command, options=_OWN_INDEX, environment=environment)
    except GitError as error:
        options = (*_OWN_INDEX, *_WITHOUT_LFS)
        try:
            run(destination, *command, options=options, environment=environment)
        except GitError:
            raise error from None


def export_working_tree(root: Path, destination: Path) -> None:
    """Copy the work tree's tracked and untracked files, without ignored ones, to a new folder."""
    _prepare(destination)
    names = run(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in dict.fromkeys(filter(None, names.split("\0"))):
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


def _prepare(destination: Path) -> None:
    try:
        destination.mkdir(parents=True, exist_ok=True)
        if any(destination.iterdir()):
            raise GitError(f"cannot export to {destination}", reason="it is not empty")
    except OSError as error:
        raise GitError(f"cannot export to {destination}", reason=str(error.strerror)) from error


def _submodules(root: Path, sha: str) -> frozenset[str]:
    """The paths of the submodules that a commit's .gitmodules declares."""
    try:
        entries = run(
            root, "config", f"--blob={sha}:.gitmodules", "--null", "--get-regexp", r"\.path$"
        )
    except GitError:  # there is none
        return frozenset()
    return frozenset(entry.partition("\n")[2] for entry in entries.split("\0") if entry)


def _gitlinks(root: Path, sha: str) -> list[tuple[str, str]]:
    """Path and commit of every gitlink in a commit: submodules, and links without a declaration."""
    tree = run(root, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", sha)
    entries = (entry.split("\t", 1) for entry in tree.split("\0") if entry)
    modes = ((details.split(), path) for details, path in entries)
    return [(path, details[2]) for details, path in modes if details[0] == _SUBMODULE]


def _export_gitlink(
    root: Path, path: str, sha: str, destination: Path, is_submodule: bool
) -> tuple[str, ...]:
    """Export the commit that a gitlink names; returns the paths of links that lead nowhere."""
    clone = root / path
    has_commit = ("cat-file", "-e", "--end-of-options", f"{sha}^{{commit}}")
    if (clone / ".git").exists() and succeeds(clone, *has_commit):
        return tuple(f"{path}/{inner}" for inner in export_tree(clone, sha, destination / path))
    if not is_submodule:
        return (path,)
    raise UsageError(
        f"cannot export submodule {path}: its commit {sha[:10]} is not in {clone}",
        hint="`git submodule update --init --recursive` fetches submodules",
    )
