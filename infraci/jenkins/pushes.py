"""Computes the new commits of a push from the input of a post-receive hook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from infraci import git
from infraci.errors import InfraciError

_BRANCHES = "refs/heads/"
#: More new commits than this are an import, not work: only the newest are built.
LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RefChange:
    """A line of a post-receive hook's input: a reference was made, moved or deleted."""

    old: str  # all zeros: it is new
    new: str  # all zeros: it is gone
    name: str  # "refs/heads/main"; whatever the pusher likes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommits:
    """Commits to build, parents first."""

    shas: tuple[str, ...]
    left_out: int = 0  # older ones, over the limit


def parse_changes(text: str) -> tuple[RefChange, ...]:
    """Parse the input of a post-receive hook; malformed lines are ignored."""
    changes = []
    for line in text.splitlines():
        old, _, rest = line.partition(" ")
        new, _, name = rest.partition(" ")
        if _is_sha(old) and _is_sha(new) and name:
            changes.append(RefChange(old=old, new=new, name=name))
    return tuple(changes)


def new_commits(
    git_dir: Path,
    changes: Iterable[RefChange],
    *,
    first_parent: bool = False,
    branches: Sequence[str] = (),
    limit: int = LIMIT,
) -> NewCommits:
    """The commits that branches have now and that no branch had before the push, parents first.

    Tags and deleted branches add none; nor do commits that a force push or another branch already
    had. With ``first_parent``, a merged branch counts as its merge only. ``branches`` are patterns
    (``*``, ``?``) of the branches that matter.
    """
    changes = tuple(changes)
    moved = [c for c in changes if c.name.startswith(_BRANCHES)]
    tips = [c.new for c in moved if not _is_zero(c.new) and _matters(c.name, branches)]
    if not tips:
        return NewCommits(shas=())
    before = [c.old for c in moved if not _is_zero(c.old)]
    before += _others(git_dir, {c.name for c in moved})
    options = ["--topo-order", *(["--first-parent"] if first_parent else []), "--stdin"]
    range_ = "".join(f"{sha}\n" for sha in tips) + "".join(f"^{sha}\n" for sha in set(before))
    shas = _git(git_dir, "rev-list", *options, stdin=range_).split()
    chosen = tuple(reversed(shas[:limit]))
    return NewCommits(shas=chosen, left_out=len(shas) - len(chosen))


def references(git_dir: Path) -> dict[str, str]:
    """The commit of every branch, by the branch's full name."""
    lines = _git(git_dir, "for-each-ref", "--format=%(objectname) %(refname)", _BRANCHES)
    return {name: sha for sha, _, name in (line.partition(" ") for line in lines.splitlines())}


def difference(before: dict[str, str], after: dict[str, str]) -> tuple[RefChange, ...]:
    """The changes that a push with this effect would report."""
    zero = "0" * 40
    return tuple(
        RefChange(old=before.get(name, zero), new=after.get(name, zero), name=name)
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _others(git_dir: Path, moved: set[str]) -> list[str]:
    """The commits of the branches that the push did not move."""
    return [sha for name, sha in references(git_dir).items() if name not in moved]


def _matters(name: str, patterns: Sequence[str]) -> bool:
    short = name.removeprefix(_BRANCHES)
    return not patterns or any(fnmatchcase(short, pattern) for pattern in patterns)


def _is_sha(text: str) -> bool:
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")


def _is_zero(sha: str) -> bool:
    return set(sha) == {"0"}


def _git(git_dir: Path, *arguments: str, stdin: str = "") -> str:
    try:
        return git.run_in_git_dir(git_dir, *arguments, stdin=stdin.encode())
    except git.GitError as error:
        raise InfraciError(f"cannot read the repository {git_dir}: {error.reason}") from error
