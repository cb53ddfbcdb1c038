"""``refs/notes/infraci``: the results of runs, with the commits that they are about.

They are git's own notes: a tree whose files are named by commits, here as ``ab/cdef…``, and every
change of it is a commit. Whoever writes begins from the newest one, and begins anew if somebody
else was faster, so that nothing is lost. The commits that notes are about need not be here.
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
#: Told of a line that is no result: the commit, and why.
OnCorrupt = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """The notes at one moment: by commit, the path of its note and the blob in it."""

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
        """The newest state of the notes, if there are any."""
        return _revision(self._root, REF)

    def commits(self) -> frozenset[str]:
        """The commits of which something is known, here or elsewhere."""
        return frozenset(self._notes(self.tip).blobs)

    def results(
        self, commits: Iterable[str], *, on_corrupt: OnCorrupt = lambda sha, why: None
    ) -> dict[str, tuple[Result, ...]]:
        """What runs found of these commits, as far as anything is known, the oldest first."""
        found = {}
        for sha, lines in self._read(self._notes(self.tip), commits).items():
            by_run: dict[str, Result] = {}
            for line in lines:
                try:
                    result = parse(line)
                except ValueError as error:
                    on_corrupt(sha, str(error))
                else:
                    # A build does not know that a search asked for it; the search says it later.
                    of_search = result.run in by_run and by_run[result.run].of_search
                    by_run[result.run] = replace(result, of_search=of_search or result.of_search)
            if by_run:
                found[sha] = tuple(sorted(by_run.values(), key=lambda r: (r.time, r.run)))
        return found

    def add(self, commit: str, results: Sequence[Result]) -> None:
        """Write down what runs found of a commit; again is no error."""
        runs = {result.run for result in results}
        added = [dump(result) for result in results]

        def change(notes: _Notes) -> Mapping[str, Lines]:
            before = self._read(notes, [commit]).get(commit, ())
            kept = [line for line in before if _run_of(line) not in runs]
            return {commit: _shortened([*kept, *added])}

        self._change(change, "Add " + ", ".join(sorted(runs)))

    def merge(self, theirs: str) -> None:
        """Take over what other notes have: all lines of either, but for those that one removed."""
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
        """Remove the results that are not to be kept, and what is none; how many lines that were.

        ``keep`` is given a commit and a result of it.
        """
        count = 0

        def wanted(sha: str, line: str) -> bool:
            with suppress(ValueError):
                return keep(sha, parse(line))
            return False

        def change(notes: _Notes) -> Mapping[str, Lines]:
            nonlocal count
            count = 0
            changed = {}
            for sha, lines in self._read(notes, notes.blobs).items():
                kept = tuple(line for line in lines if wanted(sha, line))
                if len(kept) < len(lines):
                    count += len(lines) - len(kept)
                    changed[sha] = kept
            return changed

        self._change(change, "Prune")
        return count

    def _fast_forward(self, theirs: str) -> bool:
        """Take over notes that ours are only an earlier state of."""
        before = self.tip
        if before is not None and not _contains(self._root, theirs, before):
            return False
        with suppress(git.GitError):
            old = before or "0" * len(theirs)
            git.run(self._root, "update-ref", "--end-of-options", REF, theirs, old)
            return True
        return False

    # How notes are read and written

    def _notes(self, tip: str | None) -> _Notes:
        if tip is None:
            return _Notes(tip=None, paths={}, blobs={})
        listed = git.run(self._root, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tip)
        entries = (entry.split("\t", 1) for entry in listed.split("\0") if entry)
        named = [(path.replace("/", ""), path, said.split()[2]) for said, path in entries]
        named = [entry for entry in named if re.fullmatch(r"[0-9a-f]{40,64}", entry[0])]
        return _Notes(
            tip=tip,
            paths={sha: path for sha, path, _ in named},
            blobs={sha: blob for sha, _, blob in named},
        )

    def _read(self, notes: _Notes, commits: Collection[str] | Iterable[str]) -> dict[str, Lines]:
        """The lines of the notes of these commits, those without one left out."""
        wanted = [sha for sha in commits if sha in notes.blobs]
        if not wanted:
            return {}
        asked = "".join(f"{notes.blobs[sha]}\n" for sha in wanted).encode()
        answer = git.run_bytes(self._root, "cat-file", "--batch", stdin=asked)
        found: dict[str, Lines] = {}
        place = 0
        for sha in wanted:
            head, _, _ = answer[place:].partition(b"\n")
            begin = place + len(head) + 1
            size = int(head.rsplit(b" ", 1)[1])
            text = answer[begin : begin + size].decode("utf-8", "replace")
            found[sha] = tuple(line for line in text.split("\n") if line.strip())
            place = begin + size + 1
        return found

    def _change(
        self,
        change: Callable[[_Notes], Mapping[str, Lines]],
        message: str,
        *,
        parent: str | None = None,
    ) -> None:
        """Make a new state of the newest one; again from the start if somebody was faster."""
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
        """Move the ref from the state that was read to a new one, or raise GitError."""
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
        # It refuses what does not contain the ref's value, and locks the ref meanwhile.
        said = "".join(stream).encode("utf-8", "replace")
        git.run(self._root, "fast-import", "--quiet", "--done", stdin=said)


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
