"""Locks of files: held by one process, waited for within a limit, free when the process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infraci.base.locks import acquire, is_locked, lock_file, locked
from infraci.errors import InfraciError

HOLD = """\
import os, sys
from infraci.base.locks import lock_file
print(lock_file(os.open(sys.argv[1], os.O_RDWR), timeout_s=5), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def test_a_lock_is_held_until_its_process_ends(descriptor: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert is_locked(descriptor)
        assert not lock_file(descriptor, timeout_s=0.0)
        assert not lock_file(descriptor, timeout_s=0.1)
        other.kill()
    assert not is_locked(descriptor)
    assert lock_file(descriptor, timeout_s=0.0)


def test_a_look_at_a_lock_does_not_keep_it(descriptor: int, tmp_path: Path) -> None:
    other = os.open(tmp_path / "lock", os.O_RDWR)
    assert not is_locked(other)
    assert lock_file(descriptor, timeout_s=0.0)
    os.close(other)


def test_a_lock_that_another_process_keeps_is_an_error_that_names_the_purpose(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    with locked(path, timeout_s=0.0, purpose="send alerts"):
        assert acquire(path, timeout_s=0.0) is None
        with (
            pytest.raises(InfraciError, match=r"cannot send alerts: another process keeps .*lock"),
            locked(path, timeout_s=0.0, purpose="send alerts"),
        ):
            pass
    descriptor = acquire(path, timeout_s=0.0)
    assert descriptor is not None
    os.close(descriptor)
