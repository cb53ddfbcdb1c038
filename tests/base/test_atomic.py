"""Files that are replaced or created in one step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infraci.base.atomic import PRIVATE, SHARED, create_file, replace_file

#: Replaces a file by a larger one than this process may write, and says what became of it.
_TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from infraci.base.atomic import {function}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))
try:
    {function}(Path(sys.argv[1]), "longer than that")
except OSError as error:
    print(error.strerror)
"""


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_replaced_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text("old")
    with path.open() as reader:
        replace_file(path, "néw")
        assert reader.read() == "old"
    assert path.read_bytes() == "néw".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o644)
    replace_file(path, b"new")
    assert _mode(path) == PRIVATE


def test_the_umask_decides_on_a_shared_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        replace_file(tmp_path / "report", "new", mode=SHARED)
    finally:
        os.umask(mask)
    assert _mode(tmp_path / "report") == 0o640


def test_the_first_creates_a_file(tmp_path: Path) -> None:
    path = tmp_path / "id"
    assert create_file(path, "first")
    assert not create_file(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("function", ["replace_file", "create_file"])
def test_what_cannot_be_written_leaves_the_old_content(function: str, tmp_path: Path) -> None:
    path = tmp_path / "record"
    path.write_text("old")
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TOO_LARGE.format(function=function), path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "File too large\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
