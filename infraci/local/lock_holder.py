"""Finds and kills the one process that holds the lock of an embedded cloud, and takes the lock.

The lock alone says that the process lives. Its file names the process, ``address.json`` where it
answers; either may be left over from an earlier process.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from infraci.base.deadline import waits
from infraci.base.locks import acquire, is_locked
from infraci.base.process import is_alive, this_process
from infraci.errors import CloudError
from infraci.local.state_dir import Address, StateDir

#: The first line that the process writes: it is ready, or another process has the lock.
READY, LOCKED = "ready", "locked"
#: Longer than other processes hold the lock to test it, and no longer than a user notices.
_LOCK_S = 1.0
#: Within this time a killed process is gone, unless the kernel itself hangs.
_KILLED_S = 10.0


def start_limit_s() -> float:
    """Within this time the cloud answers, or its start has failed."""
    return float(os.environ.get("INFRACI_CLOUD_START_S", "120"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds the lock."""

    #: As :mod:`infraci.base.process` names it; empty while it has not written that yet.
    process: str
    #: Where it answers; None while it is starting.
    address: Address | None

    def __str__(self) -> str:
        return f"process {self.process.partition('.')[0]}" if self.process else "a process"


def take_lock(state_dir: StateDir) -> int | None:
    """Lock the state folder until this process ends; None while another process holds the lock.

    Returns the descriptor of the lock's file, which has to stay open.
    """
    file = acquire(state_dir.lock, timeout_s=_LOCK_S)
    if file is None:
        return None
    process = this_process().encode()
    os.pwrite(file, process, 0)  # over the earlier one: a full disk may have no room but that
    os.ftruncate(file, len(process))
    state_dir.forget_address()
    return file


def find_holder(state_dir: StateDir) -> Holder | None:
    """The process that holds the lock; None when the cloud is down."""
    try:
        with state_dir.lock.open() as file:
            if not is_locked(file.fileno()):
                return None
            process = file.read()
    except FileNotFoundError:
        return None
    address = state_dir.read_address()
    if not process:  # an earlier build of infraci, which does not name it
        return Holder(process="", address=address)
    if not is_alive(process):  # one that is ending, or one before the holder, which will write
        return Holder(process="", address=None)
    is_ours = address is not None and process.startswith(f"{address.pid}.")
    return Holder(process=process, address=address if is_ours else None)


def is_gone(state_dir: StateDir, holder: Holder, *, within_s: float) -> bool:
    """Whether the holder releases the lock in time."""
    ends = time.monotonic() + within_s
    for wait_s in waits(0.02, 0.2):
        now = find_holder(state_dir)
        if now is None or now.process not in ("", holder.process):
            return True
        if time.monotonic() >= ends:
            return False
        time.sleep(wait_s)
    raise AssertionError("waits() never ends")


def kill_holder(state_dir: StateDir, holder: Holder) -> None:
    """Kill the holder. Raises CloudError when it is unknown or does not end."""
    if is_alive(holder.process):
        with suppress(ProcessLookupError):
            os.kill(int(holder.process.partition(".")[0]), signal.SIGKILL)
    if not is_gone(state_dir, holder, within_s=_KILLED_S):
        raise CloudError(
            f"cannot end the embedded cloud: {holder} still holds {state_dir.lock}",
            hint=f"`fuser -v {state_dir.lock}` shows the process",
        )
