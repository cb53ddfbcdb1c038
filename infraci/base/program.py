"""Runs programs on this machine, within limits of time and output."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from infraci.base.deadline import Deadline, duration
from infraci.errors import PhaseTimeoutError

#: Between looks at whether the program has ended, or is to end.
_LOOK_S = 0.2
#: Between asking it to end and killing it.
_GRACE_S = 3.0
_LAST_LINES = 20
#: A longer line is passed on in pieces.
_LONGEST_LINE = 1 << 20


def own_program(module: str = "infraci") -> tuple[str, ...]:
    """How a module of infraci's is started: never with the user's folder in its path (``-P``)."""
    return (sys.executable, "-P", "-m", module)


class ProgramTimeoutError(PhaseTimeoutError):
    """A program took too long and was killed; ``details`` are the last lines of its output."""


class ProgramOutputError(ProgramTimeoutError):
    """A program printed too much and was killed."""


def run_program(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    deadline: Deadline,
    on_line: Callable[[str], None],
    output_mb: int | None = None,
    pass_fds: Sequence[int] = (),
) -> int:
    """Run a program; returns its exit status, negative for a signal.

    ``on_line`` gets each line of what it says, on either stream; ``pass_fds`` are files that it
    inherits. However this function is left, the program and all that it started in its process
    group have ended. Raises :class:`ProgramTimeoutError` after ``timeout_s``,
    :class:`ProgramOutputError` after more output than ``output_mb``, what ``deadline`` raises when
    it is cancelled, and OSError if there is no such program.
    """
    limit_s = deadline.within(timeout_s)
    ends = time.monotonic() + limit_s
    last: deque[str] = deque(maxlen=_LAST_LINES)

    def handle_line(line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        last.append(text)
        on_line(text)

    output, written = os.pipe()
    with os.fdopen(output, "rb", buffering=0) as stream:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        finally:
            os.close(written)
        try:
            rest, total = b"", 0
            while (chunk := _read(process, stream.fileno())) is not None:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    handle_line(line)
                if len(rest) > _LONGEST_LINE:
                    handle_line(rest)
                    rest = b""
                total += len(chunk)
                if output_mb is not None and total > output_mb << 20:
                    raise ProgramOutputError(
                        f"cannot finish {Path(command[0]).name}: it was killed after"
                        f" {output_mb} MiB of output",
                        details="\n".join(last),
                    )
                if deadline.is_cancelled:
                    deadline.check(command[0])
                if time.monotonic() >= ends:
                    raise ProgramTimeoutError(
                        f"cannot finish {Path(command[0]).name}: it was killed after"
                        f" {duration(limit_s)}",
                        details="\n".join(last),
                    )
            if rest:
                handle_line(rest)
            return process.wait(_GRACE_S)
        finally:
            _end(process)


def _read(process: subprocess.Popen[bytes], output: int) -> bytes | None:
    """What it says next, nothing if it is silent for now, None when it has ended.

    What it leaves in the background may keep its output open, and is not waited for.
    """
    ended = process.poll() is not None
    ready = select.poll()
    ready.register(output, select.POLLIN)
    if ready.poll(_LOOK_S * 1000):
        if chunk := os.read(output, 1 << 16):
            return chunk
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_S)
    return None if ended else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group; it has ended by itself if all is well."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # of one that the kernel holds up
        process.wait(_GRACE_S)
