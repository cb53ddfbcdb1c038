"""Which process holds a cloud's lock, whatever is left over from an earlier one."""

from __future__ import annotations

import os
from pathlib import Path

from infraci.base.process import this_process
from infraci.local.lock_holder import Holder, find_holder, is_gone, take_lock
from infraci.local.state_dir import Address, StateDir

ADDRESS = Address(pid=os.getpid(), url="http://127.0.0.1:1", build="x")
DEAD = "4194304.1"


def test_a_lock_that_is_free_has_no_holder(tmp_path: Path) -> None:
    state_dir = StateDir(folder=tmp_path)
    assert find_holder(state_dir) is None
    state_dir.lock.write_text(this_process())
    state_dir.write_address(ADDRESS)
    assert find_holder(state_dir) is None


def test_a_holder_is_starting_until_it_says_where_it_answers(tmp_path: Path) -> None:
    state_dir = StateDir(folder=tmp_path)
    state_dir.write_address(ADDRESS)  # of an earlier process that had the same number
    lock = take_lock(state_dir)
    assert lock is not None
    assert take_lock(state_dir) is None
    assert find_holder(state_dir) == Holder(process=this_process(), address=None)
    state_dir.write_address(ADDRESS)
    holder = find_holder(state_dir)
    assert holder == Holder(process=this_process(), address=ADDRESS)
    assert not is_gone(state_dir, holder, within_s=0.0)
    os.close(lock)
    assert is_gone(state_dir, holder, within_s=0.0)


def test_a_process_that_is_ending_answers_nowhere_and_is_not_gone(tmp_path: Path) -> None:
    """The kernel calls a process dead before it has closed its files."""
    state_dir = StateDir(folder=tmp_path)
    lock = take_lock(state_dir)
    assert lock is not None
    state_dir.write_address(ADDRESS)
    state_dir.lock.write_text(DEAD)
    assert find_holder(state_dir) == Holder(process="", address=None)
    assert not is_gone(state_dir, Holder(process=DEAD, address=ADDRESS), within_s=0.0)
    os.close(lock)


def test_a_holder_of_an_earlier_build_names_no_process(tmp_path: Path) -> None:
    state_dir = StateDir(folder=tmp_path)
    lock = take_lock(state_dir)
    assert lock is not None
    state_dir.lock.write_text("")
    state_dir.write_address(ADDRESS)
    assert find_holder(state_dir) == Holder(process="", address=ADDRESS)
    os.close(lock)
