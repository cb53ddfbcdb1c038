"""The processes that tests start: none outlives pytest.

Each is a session of its own, so that Ctrl-C at the terminal reaches pytest alone, which then ends
them in order (:func:`end_all`): infraci takes a second signal as leave to remove nothing. Should
pytest be killed, the kernel interrupts each of them. They get SIGINT, at which a pytest of theirs
waits for the stack process, while SIGTERM ends it at once.

An interrupted pytest-xdist does not wait for its workers. There the controller interrupts what
they have started, and waits for it (:func:`end_those_of_workers`), before it takes the clouds away;
the kernel does not: it sends a signal for each of a worker's threads, and a second one is too many.
The controller tells these processes by a file that each holds open, and none that it starts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: infraci removes what it has made before it ends, on a real OpenStack too.
_GRACE_S = 120.0
_LOOK_S = 0.1

#: Interrupted when its parent is gone.
_WITH_PYTEST = ("setpriv", "--pdeathsig", "INT")

_started: list[subprocess.Popen[Any]] = []
#: The file that a worker's processes hold open, in the worker's temporary folder.
_SIGN = "processes-of-worker"
_signs: list[int] = []  # its descriptor, in a worker


def start_python(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start this Python, from the thread that lives as long as the process is to."""
    process = subprocess.Popen(
        [*(() if _signs else _WITH_PYTEST), sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
        pass_fds=_signs,
    )
    _started[:] = [each for each in _started if each.returncode is None]
    _started.append(process)
    return process


def start_infraci(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start the command line."""
    command = ("-P", "-m", "infraci", *arguments)
    return start_python(*command, cwd=cwd, env=env, stdout=stdout, stderr=stderr)


def run_infraci(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end. Raises TimeoutExpired, and leaves it to ``end_all``."""
    return finish(start_infraci(*arguments, cwd=cwd, env=env), timeout_s=timeout_s)


def finish(
    process: subprocess.Popen[str], *, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Wait for a process to end, and take what it writes."""
    stdout, stderr = process.communicate(timeout=timeout_s)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def is_any_running() -> bool:
    """Whether a process that was started has not ended."""
    return any(process.poll() is None for process in _started)


def end_all(*, grace_s: float = _GRACE_S) -> None:
    """Interrupt the processes that still run, and kill those that do not end."""
    running = [process for process in _started if process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + grace_s
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Reads what it writes: it must not wait for that.
            process.communicate(timeout=max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    _started.clear()


def sign_in(folder: Path) -> None:
    """Have the processes that this worker starts be known by a file in its temporary folder."""
    _signs[:] = [os.open(folder / _SIGN, os.O_CREAT | os.O_WRONLY, 0o600)]


def end_those_of_workers(folder: Path, *, grace_s: float = _GRACE_S) -> None:
    """Interrupt the processes of ended workers below the folder; kill those that do not end."""
    signs = {str(sign) for sign in folder.glob(f"*/{_SIGN}")}
    _send(signal.SIGINT, _holders(signs))
    deadline = time.monotonic() + grace_s
    while pids := set(_holders(signs)):
        if time.monotonic() > deadline:
            _send(signal.SIGKILL, pids)
        time.sleep(_LOOK_S)


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in set(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _holders(paths: Collection[str]) -> Iterator[int]:
    """The processes that have one of these files open."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if paths else ():
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) in paths:
                yield int(descriptor.parts[2])
