"""Results of runs in git notes on their commits, under ``refs/notes/infraci``.

Notes are a tree whose files are named by commits, here as ``ab/cdef…``; every change of the tree
is a commit. A writer starts from the newest one and retries if another writer was faster, so that
no result is lost. The commits that notes are about need not be in this repository.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from infraci import git
from infraci.history.result import Result, dump, parse

REF = "refs/notes/infraci"
#: No commit's note has more lines; the oldest go first.
MOST_LINES = 200
#: How often another process may change the notes first.
_TRIES = 200
#: The exit status of `git fast-import` if the reference is locked, or has moved meanwhile.
_REF_UNCHANGED = 1
_WHO = "infraci <infraci@localhost>"

Lines = tuple[str, ...]
#: Gets the commit and the reason of each line that is no result.
OnCorrupt = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """A state of the notes: the path of each commit's note, and its blob."""

    tip: str | None
    paths: Mapping[str, str]
    blobs: Mapping[str, str]


class History:
    """The results of runs of one repository."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._root = root
        self._clock = clock

    @property
    def tip(self) -> str | None:
        """The newest commit of the notes; None if there are none."""
        return _revision(self._root, REF)

    def commits(self) -> frozenset[str]:
        """The commits that have results, whether they are in this repository or not."""
        return frozenset(self._notes(self.tip).blobs)

    def results(
        self, commits: Iterable[str], *, on_corrupt: OnCorrupt = lambda sha, why: None
    ) -> dict[str, tuple[Result, ...]]:
        """The results of these commits, the oldest first; commits without any are left out."""
        by_commit = {}
        for sha, lines in self._read(self._notes(self.tip), commits).items():
            by_run: dict[str, Result] = {}
            for line in lines:
                try:
                    result = parse(line)
                except ValueError as error:
                    on_corrupt(sha, str(error))
                else:
                    # A build does not know that a search started it; the search adds that later.
                    of_search = result.run in by_run and by_run[result.run].of_search
                    by_run[result.run] = replace(result, of_search=of_search or result.of_search)
            if by_run:
                by_commit[sha] = tuple(sorted(by_run.values(), key=lambda r: (r.time, r.run)))
        return by_commit

    def add(self, commit: str, results: Sequence[Result]) -> None:
        """Add results of a commit; they replace older ones of the same runs."""
        runs = {result.run for result in results}
        added = [dump(result) for result in results]

        def change(notes: _Notes) -> Mapping[str, Lines]:
            before = self._read(notes, [commit]).get(commit, ())
            kept = [line for line in before if _run_of(line) not in runs]
            return {commit: _shortened([*kept, *added])}

        self._change(change, "Add " + ", ".join(sorted(runs)))

    def merge(self, theirs: str) -> None:
        """Merge other notes: keep the lines of both sides, but for those that one side removed."""
        if self._fast_forward(theirs):
            return

        def change(notes: _Notes) -> Mapping[str, Lines]:
            base = git.merge_base(self._root, notes.tip, theirs) if notes.tip else None
            states = [self._notes(base), notes, self._notes(theirs)]
            old, our, their = (state.blobs for state in states)
            differ = [s for s in {*our, *their} if our.get(s) != their.get(s)]
            before, ours, others = (self._read(state, differ) for state in states)
            return {
                sha: _merged(before.get(sha, ()), ours.get(sha, ()), others.get(sha, ()))
                for sha in differ
                if old.get(sha) != their.get(sha)
            }

        self._change(change, "Merge", parent=theirs)

    def prune(self, keep: Callable[[str, Result], bool]) -> int:
        """Remove results, and lines that cannot be read; returns the number of removed lines.

        ``keep`` gets a commit and a result of it, and decides.
        """
        count = 0

        def is_kept(sha: str, line: str) -> bool:
            with suppress(ValueError):
                return keep(sha, parse(line))
            return False

        def change(notes: _Notes) -> Mapping[str, Lines]:
            nonlocal count
            count = 0
            changed = {}
            for sha, lines in self._read(notes, notes.blobs).items():
                kept = tuple(line for line in lines if is_kept(sha, line))
                if len(kept) < len(lines):
                    count += len(lines) - len(kept)
                    changed[sha] = kept
            return changed

        self._change(change, "Prune")
        return count

    def _fast_forward(self, theirs: str) -> bool:
        """Move to other notes that contain all of ours; False if they do not."""
        before = self.tip
        if before is not None and not _contains(self._root, theirs, before):
            return False
        with suppress(git.GitError):
            old = before or "0" * len(theirs)
            git.run(self._root, "update-ref", "--end-of-options", REF, theirs, old)
            return True
        return False

    def _notes(self, tip: str | None) -> _Notes:
        if tip is None:
            return _Notes(tip=None, paths={}, blobs={})
        tree = git.run(self._root, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tip)
        entries = (entry.split("\t", 1) for entry in tree.split("\0") if entry)
        named = [(path.replace("/", ""), path, details.split()[2]) for details, path in entries]
        named = [entry for entry in named if re.fullmatch(r"[0-9a-f]{40,64}", entry[0])]
        return _Notes(
            tip=tip,
            paths={sha: path for sha, path, _ in named},
            blobs={sha: blob for sha, _, blob in named},
        )

    def _read(self, notes: _Notes, commits: Collection[str] | Iterable[str]) -> dict[str, Lines]:
        """The lines of these commits' notes; commits without a note are left out."""
        noted = [sha for sha in commits if sha in notes.blobs]
        if not noted:
            return {}
        blobs = "".join(f"{notes.blobs[sha]}\n" for sha in noted).encode()
        output = git.run_bytes(self._root, "cat-file", "--batch", stdin=blobs)
        lines: dict[str, Lines] = {}
        offset = 0
        for sha in noted:
            head, _, _ = output[offset:].partition(b"\n")
            begin = offset + len(head) + 1
            size = int(head.rsplit(b" ", 1)[1])
            text = output[begin : begin + size].decode("utf-8", "replace")
            lines[sha] = tuple(line for line in text.split("\n") if line.strip())
            offset = begin + size + 1
        return lines

    def _change(
        self,
        change: Callable[[_Notes], Mapping[str, Lines]],
        message: str,
        *,
        parent: str | None = None,
    ) -> None:
        """Change the newest notes; retries if another writer changed them first."""
        for number in range(_TRIES):
            before = self._notes(self.tip)
            changes = change(before)
            if not changes and (parent is None or _contains(self._root, before.tip, parent)):
                return
            try:
                self._write(before, changes, message, parent)
            except git.GitError as error:
                is_retried = error.status == _REF_UNCHANGED or self.tip != before.tip
                if not is_retried or number == _TRIES - 1:
                    raise git.GitError(f"cannot write {REF}", reason=error.reason) from error
                time.sleep(random.uniform(0, 0.02))  # noqa: S311
            else:
                return

    def _write(
        self, before: _Notes, changes: Mapping[str, Lines], message: str, parent: str | None
    ) -> None:
        """Write changes on top of the notes that were read. Raises GitError if the ref moved."""
        stream = [f"commit {REF}\ncommitter {_WHO} {int(self._clock())} +0000\n", _data(message)]
        stream += [f"from {before.tip}\n"] if before.tip else []
        stream += [f"merge {parent}\n"] if parent else []
        for sha, lines in sorted(changes.items()):
            path = f"{sha[:2]}/{sha[2:]}"
            if before.paths.get(sha, path) != path or not lines:
                stream.append(f"D {before.paths.get(sha, path)}\n")
            if lines:
                text = "".join(f"{line}\n" for line in lines)
                stream.append(f"M 100644 inline {path}\n{_data(text)}")
        stream.append("\ndone\n")
        # It locks the ref, and refuses a commit that does not contain the ref's value.
        commands = "".join(stream).encode("utf-8", "replace")
        git.run(self._root, "fast-import", "--quiet", "--done", stdin=commands)


def _data(text: str) -> str:
    return f"data {len(text.encode('utf-8', 'replace'))}\n{text}\n"


def _revision(root: Path, name: str) -> str | None:
    with suppress(git.GitError):
        return git.run(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
        ).strip()
    return None


def _contains(root: Path, tip: str | None, commit: str) -> bool:
    return tip is not None and git.is_ancestor(root, commit, tip)


def _merged(base: Iterable[str], ours: Lines, theirs: Lines) -> Lines:
    both = {*ours} & {*theirs}
    return _shortened(both | ({*ours} - {*base}) | ({*theirs} - {*base}))


def _shortened(lines: Iterable[str]) -> Lines:
    """Sorted, without doubles, and the newest only if there are too many."""
    by_age = sorted(set(lines), key=lambda line: (_time_of(line), line))
    return tuple(sorted(by_age[-MOST_LINES:]))


def _run_of(line: str) -> str | None:
    with suppress(ValueError):
        return parse(line).run
    return None


def _time_of(line: str) -> int:
    with suppress(ValueError):
        return parse(line).time
    return 0
