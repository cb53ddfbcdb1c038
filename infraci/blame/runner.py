"""Stands commits up for a search: a process of ``infraci run`` each, at once."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infraci.errors import ExitCode
from infraci.history import Result, parse
from infraci.model.run import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Tests commits with one pipeline; the processes write what they find to the history too."""

    root: Path
    pipeline: str
    cloud: str
    given: tuple[str, ...] = ()  # what the results say of the options
    options: tuple[str, ...] = ()  # -P and -e, as the command line has them
    tell: Callable[[str], None] = lambda line: None

    def __call__(self, shas: Sequence[str]) -> Sequence[Result | None]:
        """Test commits, all at once. An interruption tears all of them down, and is raised."""
        self.tell(f"testing {', '.join(sha[:10] for sha in shas)}")
        with tempfile.TemporaryDirectory(prefix="infraci-blame-") as folder:
            files = [Path(folder) / str(number) for number in range(len(shas))]
            with _ended(
                [self._start(sha, file) for sha, file in zip(shas, files, strict=True)]
            ) as processes:
                codes = [process.wait() for process in processes]
            return [
                self._result(sha, file, code)
                for sha, file, code in zip(shas, files, codes, strict=True)
            ]

    def _start(self, sha: str, file: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "infraci", "-qq", "run", "--commit", sha, "--cloud", self.cloud,
            *self.options, "--search", str(file), "--", self.pipeline,
        ]  # fmt: skip
        with file.with_suffix(".log").open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to hand on, once
            )

    def _result(self, sha: str, file: Path, code: int) -> Result | None:
        with suppress(OSError, ValueError):
            result = parse(file.read_text())
            self.tell(
                f"{sha[:10]}: {result.verdict}" + f" ({result.trouble})" * bool(result.trouble)
            )
            return result
        log = file.with_suffix(".log").read_text("utf-8", "replace").strip()
        self.tell(f"{sha[:10]}: {log or f'exit status {code}'}")
        if code != ExitCode.INVALID:
            return None
        return Result(
            run="",
            pipeline=self.pipeline,
            cloud=self.cloud,
            given=self.given,
            time=int(time.time()),
            verdict=Verdict.INVALID,
            trouble="plan: its pipelines cannot be loaded",
            of_search=True,
        )


@contextmanager
def _ended(
    processes: Sequence[subprocess.Popen[bytes]],
) -> Iterator[Sequence[subprocess.Popen[bytes]]]:
    """Whatever happens, the processes are told to tear down, and waited for."""
    try:
        yield processes
    except BaseException:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        raise
