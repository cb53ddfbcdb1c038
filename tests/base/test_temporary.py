"""Temporary folders name their process; only those of dead processes of this user are removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infraci.base.temporary import (
    locked_folder,
    make_folder,
    remove_dead,
    remove_unlocked,
    temporary_folder,
)
from infraci.ledger.ledger import Ledger, is_at_work
from tests.records import record

_HOLD = """
import sys, pathlib
from infraci.base.temporary import temporary_folder
with temporary_folder("held", parent=sys.argv[1]) as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
_LOCK = """
import sys, pathlib
from infraci.base.temporary import locked_folder
with locked_folder("held", parent=pathlib.Path(sys.argv[1])) as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
#: Runs a program as in a container: it does not see the processes outside.
CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
NOBODY = 65534
RUN = record()


def test_what_a_killed_process_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().decode().strip())
        remove_dead()
        assert (held / "file").exists()
        process.send_signal(signal.SIGKILL)
    with temporary_folder("ours") as ours:
        remove_dead()
        assert list(tmp_path.iterdir()) == [ours]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "infraci-index.abc.1.1.x",  # of another machine
        "infraci-index.x.y.z.w",
        "infraci-mine",
        "somebodys.f0000000.1.1.x",
    ],
)
def test_what_names_no_dead_process_of_this_machine_stays(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / name).mkdir()
    remove_dead()
    assert (tmp_path / name).exists()


def test_another_users_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder("theirs") as folder:
        dead = folder.with_name(folder.name.replace(f".{os.getpid()}.", ".1."))
        dead.mkdir()
        os.chown(dead, NOBODY, NOBODY)
        remove_dead()
        assert dead.exists()
        os.chown(dead, os.geteuid(), -1)
        remove_dead()
        assert not dead.exists()


def test_a_run_that_its_process_works_on_is_at_work(tmp_path: Path) -> None:
    with Ledger(tmp_path).create(RUN):
        assert is_at_work(RUN.id)
    assert not is_at_work(RUN.id)


def test_no_other_user_can_say_that_a_run_is_at_work() -> None:
    run_id = "web-01234567-forged"
    sign = make_folder(f"at-work-{run_id}", parent="/tmp")  # as another user could make it
    try:
        os.chown(sign, NOBODY, NOBODY)
        assert not is_at_work(run_id)
        assert is_at_work(run_id, user=NOBODY)  # whose run it is
    finally:
        sign.rmdir()


def test_a_record_half_written_by_a_killed_process_is_removed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    with ledger.create(RUN), temporary_folder("x") as folder:
        dead = folder.name.partition(".")[2].replace(f"{os.getpid()}.", "1.", 1)
        half = ledger.folder(RUN.id).path / f".run.json.{dead}"
        half.write_text("{")
        ledger.tidy()
        assert not half.exists()
        assert ledger.load(RUN.id) == RUN


def test_a_locked_folder_stays_until_its_process_ends_in_whichever_container(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [*CONTAINER, sys.executable, "-c", _LOCK, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().decode().strip())
        assert remove_unlocked(tmp_path) == 0
        assert (held / "file").exists()
        process.kill()
        process.stdout.read()  # until the container's process has ended, too
    assert remove_unlocked(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_locked_folder_is_gone_in_the_end(tmp_path: Path) -> None:
    with locked_folder("ours", parent=tmp_path) as folder, locked_folder("ours", parent=tmp_path):
        assert folder.name.startswith("ours.")
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []
