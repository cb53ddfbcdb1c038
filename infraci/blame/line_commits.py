"""Reads from git the line of commits that is searched for a culprit, and the files each changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from infraci import git
from infraci.errors import UsageError
from infraci.history import Case

#: So many commits back, at most, a search looks for a run that passed.
FURTHEST = 1000
#: Messages show so many lines of a diff.
_MOST_LINES = 80
_DOCUMENTS = {".md", ".rst", ".adoc"}
_READ_BY_PEOPLE = {"README", "LICENSE", "COPYING", "NOTICE", "CHANGELOG", "CHANGES", "AUTHORS",
                   "CONTRIBUTING", "CODEOWNERS", "TODO"}  # fmt: skip
#: Formats of git's that no setting of the user changes.
_PLAIN = ("-c", "log.showRoot=true", "-c", "core.quotePath=false", "--literal-pathspecs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFiles:
    """A file that a commit changed."""

    path: str
    before: str = ""  # its old name, if the commit renamed it
    is_added: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCommit:
    """A commit of a line, and what differs from the one before it."""

    sha: str
    tree: str = ""
    parents: tuple[str, ...] = ()
    changes: tuple[ChangedFiles, ...] = ()
    is_base: bool = False  # the line begins with it, but it is no suspect

    @property
    def is_merge(self) -> bool:
        """Whether it merges other commits."""
        return len(self.parents) > 1

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that it changed, by their names before and after."""
        named = [name for change in self.changes for name in (change.path, change.before) if name]
        return tuple(dict.fromkeys(named))


def first_parents(root: Path, head: str, *, since: str | None = None) -> tuple[LineCommit, ...]:
    """List the first parents of a commit, the oldest first, without their changes.

    The first of them is the commit where the line left ``since``, if this clone has it. Raises
    UsageError if a commit is missing, or ``since`` is no ancestor.
    """
    if since is not None and not git.is_ancestor(root, since, head):
        raise _no_ancestor(root, since, head)
    steps = _walk(root, head, f"^{since}" if since else f"--max-count={FURTHEST}")
    if not steps:
        raise UsageError(f"cannot search from {head[:10]} to itself", hint="name an older commit")
    return steps


def _walk(root: Path, head: str, limit: str) -> tuple[LineCommit, ...]:
    try:
        lines = git.run(root, "rev-list", "--first-parent", "--parents", limit, head, "--")
    except git.GitError as error:
        raise UsageError(
            f"cannot walk the history of {head[:10]}: {error.reason}",
            hint="a commit is missing: `git fsck` says which, `git fetch --refetch` fetches all",
        ) from error
    steps = [
        LineCommit(sha=sha, parents=tuple(parents))
        for sha, *parents in (line.split() for line in reversed(lines.splitlines()))
    ]
    if limit.startswith("^") and steps and steps[0].parents:
        steps.insert(0, LineCommit(sha=steps[0].parents[0], is_base=True))
    return tuple(steps)


def inside(root: Path, merge: LineCommit, arm: int = 1) -> tuple[LineCommit, ...]:
    """List the branch that a merge brought in: where it branched off, its commits, the merge.

    A branch without a commit in common with the main line begins with its own first commit.
    """
    mainline, branch = merge.parents[0], merge.parents[arm]
    line = with_changes(root, _walk(root, branch, f"^{mainline}"))
    entries = git.run(
        root, "diff-tree", "-r", "-M", "--name-status", "-z", "--end-of-options", branch, merge.sha,
        options=_PLAIN,
    )  # fmt: skip
    changes = tuple(_changes(iter(entries.split("\0"))))
    return (*line, replace(merge, changes=changes))


def with_changes(root: Path, line: Sequence[LineCommit]) -> tuple[LineCommit, ...]:
    """Add to each commit of a line the files that it changed; a merge against its first parent."""
    shas = "".join(f"{step.sha}\n" for step in line).encode()
    log = git.run(
        root, "log", "--no-walk=unsorted", "--stdin", "--diff-merges=first-parent", "-M",
        "--name-status", "-z", "--no-show-signature", "--format=%x01%H %T",
        options=_PLAIN, stdin=shas,
    )  # fmt: skip
    known = {}
    for part in log.split("\x01")[1:]:
        named, *tokens = part.split("\0")
        sha, tree = named.split()
        known[sha] = tree, tuple(_changes(iter(tokens)))
    return tuple(
        replace(step, tree=known[step.sha][0], changes=known[step.sha][1]) for step in line
    )


def _changes(tokens: Iterator[str]) -> Iterator[ChangedFiles]:
    for token in tokens:
        status = token.strip("\n")
        if not status:
            continue
        if status[0] in "RC":
            before = next(tokens)
            yield ChangedFiles(path=next(tokens), before=before if status[0] == "R" else "")
        else:
            yield ChangedFiles(path=next(tokens), is_added=status == "A")


def names_along(
    case: Case, line: Sequence[LineCommit], *, pipeline: str
) -> tuple[Case | None, ...]:
    """The name, at each commit of a line, of a testcase of the last one; None where it is missing.

    ``pipeline`` is the path of the pipeline's file, without which there is no testcase either.
    """
    names: list[Case | None] = []
    name: Case | None = case
    for step in reversed(line):
        names.append(name)
        for change in step.changes if name else ():
            if name is not None and change.path == name.file and change.before:
                name = replace(name, test=change.before + name.test.removeprefix(name.file))
            elif name is not None and (
                (change.path == pipeline and (change.is_added or change.before))
                or (change.path == name.file and change.is_added)
            ):
                name = None
    return tuple(reversed(names))


def is_documentation(path: str) -> bool:
    """Whether a file is documentation, by its name."""
    file = PurePosixPath(path)
    return (
        file.suffix.lower() in _DOCUMENTS
        or file.stem.upper() in _READ_BY_PEOPLE
        or bool({"doc", "docs"} & set(file.parts[:1]))
        or file.name in (".gitignore", ".gitattributes", ".mailmap")
    )


def diff_of(root: Path, sha: str, paths: Sequence[str]) -> str:
    """The diff of some files of a commit, cut to a length that people read."""
    if not paths:
        return ""
    diff = git.run(
        root, "show", "--format=", "--diff-merges=first-parent", "-M", "--no-color",
        "--no-ext-diff", "--no-textconv", "--no-show-signature", "--end-of-options", sha, "--",
        *paths, options=_PLAIN,
    )  # fmt: skip
    lines = diff.splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"[… {len(lines) - _MOST_LINES} more lines]"]
    return "\n".join(lines)


def _no_ancestor(root: Path, since: str, head: str) -> UsageError:
    base = git.merge_base(root, since, head)
    if not git.has_all_commits(root):
        hint = "this clone is shallow: `git fetch --unshallow` fetches the rest"
    elif base:
        hint = f"the two have diverged since {base[:10]}: --since that"
    else:
        hint = "the two have no commit in common"
    return UsageError(
        f"cannot search from {since[:10]} to {head[:10]}: it is no ancestor", hint=hint
    )
