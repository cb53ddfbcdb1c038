"""The line of commits that a culprit is looked for on, and what each of them changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from infraci import git
from infraci.errors import UsageError
from infraci.history import Case

#: Nobody looks further back for a run that passed.
FURTHEST = 1000
#: Of a diff, this much is shown.
_MOST_LINES = 80
_DOCUMENTS = {".md", ".rst", ".adoc"}
_READ_BY_PEOPLE = {"README", "LICENSE", "COPYING", "NOTICE", "CHANGELOG", "CHANGES", "AUTHORS",
                   "CONTRIBUTING", "CODEOWNERS", "TODO"}  # fmt: skip
#: Git's own formats, whatever the user has set.
_PLAIN = ("-c", "log.showRoot=true", "-c", "core.quotePath=false", "--literal-pathspecs")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFiles:
    """A file that a commit changed."""

    path: str
    before: str = ""  # what it was called, if it was renamed
    is_added: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A commit of a line, and what differs from the one before it."""

    sha: str
    tree: str = ""
    parents: tuple[str, ...] = ()
    changes: tuple[ChangedFiles, ...] = ()
    is_base: bool = False  # the line begins with it, and what it changed is not in question

    @property
    def is_merge(self) -> bool:
        """Whether it has lines of its own."""
        return len(self.parents) > 1

    @property
    def paths(self) -> tuple[str, ...]:
        """The files it changed, by their names before and after."""
        named = [name for change in self.changes for name in (change.path, change.before) if name]
        return tuple(dict.fromkeys(named))


def first_parents(root: Path, head: str, *, since: str | None = None) -> tuple[Step, ...]:
    """The way to a commit, always by first parents, the oldest first; without changes.

    The first of them is where ``since`` (or what was merged of it) was left, if that is here.
    Raises UsageError where a commit is missing, or ``since`` is no ancestor.
    """
    if since is not None and not git.is_ancestor(root, since, head):
        raise _no_ancestor(root, since, head)
    steps = _walk(root, head, f"^{since}" if since else f"--max-count={FURTHEST}")
    if not steps:
        raise UsageError(f"cannot search from {head[:10]} to itself", hint="name an older commit")
    return steps


def _walk(root: Path, head: str, limit: str) -> tuple[Step, ...]:
    try:
        listed = git.run(root, "rev-list", "--first-parent", "--parents", limit, head, "--")
    except git.GitError as error:
        raise UsageError(
            f"cannot walk the history of {head[:10]}: {error.reason}",
            hint="a commit is missing: `git fsck` says which, `git fetch --refetch` fetches all",
        ) from error
    steps = [
        Step(sha=sha, parents=tuple(parents))
        for sha, *parents in (line.split() for line in reversed(listed.splitlines()))
    ]
    if limit.startswith("^") and steps and steps[0].parents:
        steps.insert(0, Step(sha=steps[0].parents[0], is_base=True))
    return tuple(steps)


def inside(root: Path, merge: Step, arm: int = 1) -> tuple[Step, ...]:
    """The line that a merge brought in by a parent: where it branched off, its commits, the merge.

    A branch that has no commit in common with the main line begins with its own first commit.
    """
    mainline, branch = merge.parents[0], merge.parents[arm]
    line = with_changes(root, _walk(root, branch, f"^{mainline}"))
    differs = git.run(
        root, "diff-tree", "-r", "-M", "--name-status", "-z", "--end-of-options", branch, merge.sha,
        options=_PLAIN,
    )  # fmt: skip
    changes = tuple(_changes(iter(differs.split("\0"))))
    return (*line, replace(merge, changes=changes))


def with_changes(root: Path, line: Sequence[Step]) -> tuple[Step, ...]:
    """The line with what each commit changed, a merge against its first parent."""
    shas = "".join(f"{step.sha}\n" for step in line).encode()
    said = git.run(
        root, "log", "--no-walk=unsorted", "--stdin", "--diff-merges=first-parent", "-M",
        "--name-status", "-z", "--no-show-signature", "--format=%x01%H %T",
        options=_PLAIN, stdin=shas,
    )  # fmt: skip
    known = {}
    for part in said.split("\x01")[1:]:
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


def names_along(case: Case, line: Sequence[Step], *, pipeline: str) -> tuple[Case | None, ...]:
    """What a testcase of the line's last commit is called at each; None where it is not yet there.

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
    """Whether a file is for people only, by its name."""
    file = PurePosixPath(path)
    return (
        file.suffix.lower() in _DOCUMENTS
        or file.stem.upper() in _READ_BY_PEOPLE
        or bool({"doc", "docs"} & set(file.parts[:1]))
        or file.name in (".gitignore", ".gitattributes", ".mailmap")
    )


def diff_of(root: Path, sha: str, paths: Sequence[str]) -> str:
    """What a commit changed in some files, as git shows it, no longer than people read."""
    if not paths:
        return ""
    shown = git.run(
        root, "show", "--format=", "--diff-merges=first-parent", "-M", "--no-color",
        "--no-ext-diff", "--no-textconv", "--no-show-signature", "--end-of-options", sha, "--",
        *paths, options=_PLAIN,
    )  # fmt: skip
    lines = shown.splitlines()
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"[… {len(lines) - _MOST_LINES} more lines]"]
    return "\n".join(lines)


def _no_ancestor(root: Path, since: str, head: str) -> UsageError:
    base = git.merge_base(root, since, head)
    if not git.has_all_commits(root):
        hint = "this clone is shallow: `git fetch --unshallow` fetches the rest"
    elif base:
        hint = f"the history was rewritten or has parted; both come from {base[:10]}: --since that"
    else:
        hint = "the two have no commit in common"
    return UsageError(
        f"cannot search from {since[:10]} to {head[:10]}: it is no ancestor", hint=hint
    )
