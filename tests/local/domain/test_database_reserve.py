"""A database with a reserve takes transactions though its disk is full."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from infraci.local.domain.database_reserve import CHECKPOINT_PAGES, DatabaseReserve

SIZE = 2 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> None:
    with (disk / "filling").open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass


def write(path: Path, rows: int) -> None:
    """Rows of a kilobyte, in transactions of their own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        for _ in range(rows):
            db.execute("INSERT INTO thing VALUES (zeroblob(1000))")


@pytest.mark.parametrize("has_spare", [False, True])
def test_a_full_disk_stops_no_database_that_has_room_within(disk: Path, has_spare: bool) -> None:
    path = disk / "things.sqlite"
    reserve = DatabaseReserve(path, SIZE)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE thing (body BLOB)")
    if has_spare:
        reserve.refill()
        assert reserve.free_bytes >= SIZE
    fill(disk)
    if has_spare:
        write(path, 900)
    else:
        with pytest.raises(sqlite3.OperationalError, match=r"full|disk I/O error"):
            write(path, 900)


def test_the_room_is_made_again_when_the_disk_has_some(disk: Path) -> None:
    path = disk / "things.sqlite"
    reserve = DatabaseReserve(path, SIZE)
    reserve.refill()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE thing (body BLOB)")
    write(path, 1400)
    fill(disk)
    reserve.refill()  # cannot, and breaks nothing
    assert 0 < reserve.free_bytes < SIZE // 2
    (disk / "filling").unlink()
    reserve.refill()
    assert reserve.free_bytes >= SIZE
