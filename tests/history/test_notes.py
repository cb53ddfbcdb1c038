"""Results in git notes: concurrent writers lose none, and git itself can read them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from infraci.git import GitError
from infraci.history import History
from infraci.history.notes import MOST_LINES, REF
from tests.history.repository import Repository, result


def test_a_repository_without_notes_works(repository: Repository) -> None:
    sha = repository.commit()
    history = History(repository.folder)
    assert history.tip is None
    assert history.results([sha]) == {}
    assert history.commits() == frozenset()
    assert history.prune(lambda sha, result: False) == 0


def test_what_is_written_is_read_and_git_shows_it(repository: Repository) -> None:
    first, second = repository.commit(), repository.commit()
    history = History(repository.folder)
    history.add(first, [result("web-1"), result("web-2")])
    history.add(second, [result("web-3")])
    history.add(first, [result("web-4")])
    by_commit = history.results([second, first, "0" * 40])
    assert {sha: [r.run for r in results] for sha, results in by_commit.items()} == {
        first: ["web-1", "web-2", "web-4"],
        second: ["web-3"],
    }
    shown = repository.git("notes", "--ref=infraci", "show", second)
    assert '"run":"web-3"' in shown
    assert repository.git("status", "--porcelain") == ""


def test_a_run_is_there_once_however_often_it_is_written(repository: Repository) -> None:
    sha = repository.commit()
    history = History(repository.folder)
    history.add(sha, [result("web-1")])
    tip = history.tip
    history.add(sha, [result("web-1")])
    history.add(sha, [result("web-1", took_s=7)])
    assert [r.took_s for r in history.results([sha])[sha]] == [7]
    assert tip is not None


def test_notes_that_git_has_written_are_gone_on_with(repository: Repository) -> None:
    """Its layout is another than ours while there are few."""
    sha = repository.commit()
    History(repository.folder).add(sha, [result("web-1")])
    repository.git("notes", "--ref=infraci", "append", "--message=by hand", sha)
    assert "/" not in repository.git("ls-tree", "-r", "--name-only", REF)
    History(repository.folder).add(sha, [result("web-2")])
    assert len(repository.git("ls-tree", "-r", "--name-only", REF).splitlines()) == 1
    bad: list[tuple[str, str]] = []
    by_commit = History(repository.folder).results([sha], on_corrupt=lambda *why: bad.append(why))
    assert [r.run for r in by_commit[sha]] == ["web-1", "web-2"]
    assert bad == [(sha, "it is not JSON")]


def test_only_so_many_results_of_a_commit_are_kept(repository: Repository) -> None:
    sha = repository.commit()
    history = History(repository.folder)
    history.add(sha, [result(f"web-{n}", time=n) for n in range(MOST_LINES + 7)])
    kept = history.results([sha])[sha]
    assert len(kept) == MOST_LINES
    assert kept[0].run == "web-7"


def _write(folder: Path, sha: str, writer: int) -> None:
    for number in range(5):
        History(folder).add(sha, [result(f"web-{writer}-{number}")])


def test_many_writers_at_once_lose_nothing(repository: Repository) -> None:
    sha = repository.commit()
    context = multiprocessing.get_context("spawn")  # others of this process's tests have threads
    writers = [context.Process(target=_write, args=(repository.folder, sha, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(History(repository.folder).results([sha])[sha]) == 20
    repository.git("fsck", "--strict")


def test_pruned_is_what_is_not_to_be_kept(repository: Repository) -> None:
    sha, other = repository.commit(), repository.commit()
    history = History(repository.folder)
    history.add(sha, [result("web-1", time=1), result("web-2", time=2)])
    history.add(other, [result("web-3", time=1)])
    repository.git("notes", "--ref=infraci", "append", "--message=nonsense", sha)
    assert history.prune(lambda sha, result: result.time > 1) == 3
    assert history.commits() == {sha}
    assert [r.run for r in history.results([sha, other])[sha]] == ["web-2"]


def test_trouble_with_git_is_told(repository: Repository) -> None:
    sha = repository.commit()
    (repository.folder / ".git" / "refs" / "notes").write_text("in the way")
    with pytest.raises(GitError, match="cannot write refs/notes/infraci"):
        History(repository.folder).add(sha, [result()])
