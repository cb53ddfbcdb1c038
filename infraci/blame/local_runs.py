"""Tests commits for a search: each in a process of ``infraci run``, all at once."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from infraci.base.parallel import in_parallel
from infraci.base.program import own_program
from infraci.base.temporary import temporary_folder
from infraci.errors import ExitCode
from infraci.history import Result, invalid, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Tests commits with one pipeline; the processes also add their results to the history."""

    root: Path
    pipeline: str
    cloud: str
    overrides: tuple[str, ...] = ()  # the options, as results name them
    options: tuple[str, ...] = ()  # the same for the command line: -P and -e
    tell: Callable[[str], None] = lambda line: None
    command: tuple[str, ...] = own_program()

    def __call__(self, shas: Sequence[str]) -> Sequence[Result | None]:
        """Test commits, all at once; an interruption tears all of them down, and is raised."""
        self.tell(f"testing {', '.join(sha[:10] for sha in shas)}")
        with (
            temporary_folder("blame") as folder,
            _Processes() as running,
        ):
            jobs = [(sha, folder / str(number)) for number, sha in enumerate(shas)]
            # In threads, so that a signal, which is raised in this one, loses no process.
            codes = in_parallel(
                lambda job: running.run(self._command(*job), self.root, job[1]), jobs
            )
            return [self._result(*job, code) for job, code in zip(jobs, codes, strict=True)]

    def _command(self, sha: str, file: Path) -> Sequence[str]:
        return [
            *self.command, "-qq", "run", "--commit", sha, "--cloud", self.cloud,
            *self.options, "--search", str(file), "--", self.pipeline,
        ]  # fmt: skip

    def _result(self, sha: str, file: Path, code: int | Exception) -> Result | None:
        if isinstance(code, Exception):
            raise code
        with suppress(OSError, ValueError):
            result = parse(file.read_text())
            self.tell(
                f"{sha[:10]}: {result.verdict}" + f" ({result.failure})" * bool(result.failure)
            )
            return result
        log = file.with_suffix(".log").read_text("utf-8", "replace").strip()
        self.tell(f"{sha[:10]}: {log or f'exit status {code}'}")
        if code != ExitCode.INVALID:
            return None
        known = invalid(pipeline=self.pipeline, cloud=self.cloud, overrides=self.overrides)
        return replace(known, failure="there is no such pipeline", cases={})


class _Processes:
    """Running processes; an exception ends them by SIGTERM, and waits until they have torn down."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._is_over = False

    def run(self, command: Sequence[str], folder: Path, file: Path) -> int:
        """Run a process; returns its exit status."""
        with self._lock, file.with_suffix(".log").open("wb") as log:
            if self._is_over:
                return ExitCode.INTERRUPTED
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # this process hands Ctrl-C on, once
            )
            self._running.append(process)
        return process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._is_over = True
            for process in self._running if error is not None else ():
                process.terminate()
        for process in self._running:
            process.wait()
