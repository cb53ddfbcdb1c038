"""A record is lost only if its repository is there, and has none."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from infraci.ledger.ledger import Ledger
from infraci.ledger.ownership import forget_old, is_lost, register
from tests.records import record

RUN = record()
DAY_S = 86400.0


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("INFRACI_STATE_DIR", str(folder))
    return folder / "ledgers"


@pytest.fixture
def ledger(tmp_path: Path, state: Path) -> Ledger:
    """That of a repository, with a run in it."""
    made = repository(tmp_path / "repository")
    made.create(RUN).release()
    return made


def repository(folder: Path) -> Ledger:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return Ledger(folder)


def test_a_record_is_lost_with_the_folder_of_its_ledger(ledger: Ledger) -> None:
    id_ = register(ledger)
    assert register(ledger) == id_
    assert is_lost(id_, RUN.id) is False
    shutil.rmtree(ledger.home)
    assert is_lost(id_, RUN.id) is True
    assert register(ledger) == id_
    ledger.create(RUN).release()
    assert is_lost(id_, RUN.id) is False


def test_a_repository_that_was_moved_may_have_it_still(ledger: Ledger, tmp_path: Path) -> None:
    id_ = register(ledger)
    moved = ledger.root.rename(tmp_path / "moved")
    assert is_lost(id_, RUN.id) is None
    repository(ledger.root)  # another one, in its place
    assert is_lost(id_, RUN.id) is None
    other = register(ledger)
    assert other not in ("", id_)
    assert is_lost(id_, RUN.id) is None
    assert register(Ledger(moved)) == id_
    assert is_lost(id_, RUN.id) is False


def test_a_disk_that_is_not_mounted_may_have_it_still(tmp_path: Path, state: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
    try:
        ledger = repository(disk)
        ledger.create(RUN).release()
        id_ = register(ledger)
        assert is_lost(id_, RUN.id) is False
    finally:
        subprocess.run(["umount", disk], check=True)
    assert is_lost(id_, RUN.id) is None
    repository(disk)
    assert is_lost(id_, RUN.id) is None


def test_a_ledger_on_a_disk_of_its_own_may_be_unmounted_alone(ledger: Ledger) -> None:
    id_ = register(ledger)
    elsewhere = ledger.home.rename(ledger.root / "elsewhere")
    ledger.home.symlink_to(elsewhere)
    assert register(ledger) == ""
    assert is_lost(id_, RUN.id) is False
    elsewhere.rename(ledger.root / "away")
    assert is_lost(id_, RUN.id) is None


def test_each_work_tree_has_a_ledger_of_its_own(ledger: Ledger, tmp_path: Path) -> None:
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-C", str(ledger.root))
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=Begin"], check=True)
    subprocess.run([*git, "worktree", "add", "--quiet", str(tmp_path / "tree")], check=True)
    id_ = register(Ledger(tmp_path / "tree"))
    assert id_ not in ("", register(ledger))
    assert is_lost(id_, RUN.id) is True
    assert is_lost(register(ledger), RUN.id) is False


def test_no_copy_of_a_repository_is_overlooked(ledger: Ledger, tmp_path: Path) -> None:
    id_ = register(ledger)
    copy = Ledger(Path(shutil.copytree(ledger.root, tmp_path / "copy")))
    assert register(copy) == id_
    shutil.rmtree(ledger.home)
    assert is_lost(id_, RUN.id) is False
    shutil.rmtree(copy.home)
    assert is_lost(id_, RUN.id) is True


@pytest.mark.parametrize("id_", ["", "*", "../..", "/", "0123456789abcdef"])
def test_nothing_is_known_of_other_ids(id_: str, ledger: Ledger) -> None:
    register(ledger)
    assert is_lost(id_, "web") is None


def test_outside_of_a_repository_there_is_no_id(tmp_path: Path, state: Path) -> None:
    assert register(Ledger(tmp_path)) == ""
    assert register(Ledger(tmp_path / "nowhere")) == ""
    assert not state.exists()


def test_repositories_that_are_gone_are_forgotten_in_time(ledger: Ledger, state: Path) -> None:
    register(ledger)
    (link,) = state.iterdir()
    old = link.lstat().st_mtime + 91 * DAY_S
    forget_old(old)
    assert list(state.iterdir()) == [link]
    shutil.rmtree(ledger.root)
    forget_old(old - 2 * DAY_S)
    assert list(state.iterdir()) == [link]
    forget_old(old)
    assert list(state.iterdir()) == []
    state.rmdir()
    forget_old(old)
