"""Runs several pipelines at once, each in a process of its own.

A run handles signals in the main thread of its process, and tears down independently of others. So
each parallel run is an ``infraci run`` in a session of its own, which the terminal's signals do not
reach: this process forwards each signal to all of them.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from infraci.app.checkout import Checkout
from infraci.app.options import RunOptions
from infraci.base.program import own_program
from infraci.base.temporary import temporary_folder
from infraci.base.terminal import say
from infraci.errors import ExitCode, InfraciError
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline
from infraci.model.run import Commit, RunRecord, Verdict, exit_code_of

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_parallel(
    pipelines: Sequence[Pipeline], checkout: Checkout, options: RunOptions, *, jobs: int
) -> tuple[list[RunRecord], ExitCode]:
    """Run the pipelines, so many at once; returns the records by age, and the exit code."""
    runs = ParallelRuns(
        command=run_command(
            verbosity=options.verbosity,
            arguments=_arguments(options, checkout.commit),
            cloud=options.cloud,
        ),
        ledger=Ledger(checkout.root),
        tell=lambda line: say(line, err=True),
        jobs=jobs,
        fail_fast=options.fail_fast,
    )
    records, lost = runs.run(pipelines)
    records.sort(key=lambda record: record.created)
    if runs.interrupted:
        return records, ExitCode.INTERRUPTED
    return records, ExitCode.worst([exit_code_of(records), lost])


def _arguments(options: RunOptions, commit: Commit) -> list[str]:
    """The options of each parallel run, without its pipeline and cloud."""
    arguments = ["--working-tree"] if commit.dirty else ["--commit", commit.sha]
    overrides = options.overrides
    arguments += [f"--parameter={name}={value}" for name, value in overrides.parameters.items()]
    arguments += [f"--environment={path}" for path in overrides.environments]
    if options.destroy_policy is not None:
        arguments.append(f"--destroy={options.destroy_policy}")
    if options.report is not None:
        arguments.append(f"--report={options.report}")
    return [*arguments, "--history" if options.history else "--no-history"]


@dataclass(slots=True)
class _Run:
    pipeline: Pipeline
    process: subprocess.Popen[str]
    run_file: Path


@dataclass(slots=True)
class ParallelRuns:
    """Runs of several pipelines, ``jobs`` of them at once.

    ``command`` makes the command line of one, which writes its run's id to the given file;
    ``tell`` gets the lines of all, each with its pipeline's name before it.
    """

    command: Callable[[Pipeline, Path], Sequence[str]]
    ledger: Ledger
    tell: Callable[[str], object]
    jobs: int
    fail_fast: bool = False
    interrupted: bool = False
    _stopping: bool = False
    _running: list[_Run] = field(default_factory=list)
    _ended: SimpleQueue[_Run] = field(default_factory=SimpleQueue)

    def run(self, pipelines: Sequence[Pipeline]) -> tuple[list[RunRecord], ExitCode]:
        """Return the records of the runs that began, and the worst exit code of those that did not.

        ``tell`` gets a line for each pipeline that was not run after an interruption or a failure.
        """
        waiting = deque(pipelines)
        records, lost = [], [ExitCode.PASSED]
        with temporary_folder("runs") as folder, self._forwarding():
            while self._running or (waiting and not self._stopping):
                while waiting and len(self._running) < self.jobs and not self._stopping:
                    self._start(waiting.popleft(), folder)
                run = self._ended.get()  # a signal's handler may run meanwhile
                self._running.remove(run)
                record = self._record(run)
                if record is not None:
                    records.append(record)
                elif run.pipeline.voting:
                    lost.append(_code(run.process.returncode))
                passed = record is not None and record.verdict is Verdict.PASSED
                if self.fail_fast and run.pipeline.voting and not passed and not self._stopping:
                    self.tell(f"{run.pipeline.name} did not pass: the others are ended")
                    self._stop(signal.SIGINT)
        for pipeline in waiting:
            self.tell(f"{pipeline.name} | not run")
        return records, ExitCode.worst(lost)

    def _start(self, pipeline: Pipeline, folder: Path) -> None:
        run_file = folder / str(len(list(folder.iterdir())))
        run_file.touch()
        process = subprocess.Popen(
            self.command(pipeline, run_file),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        run = _Run(pipeline, process, run_file)
        self._running.append(run)
        threading.Thread(target=self._follow, args=(run,), daemon=True).start()
        if self._stopping:  # the signal came while the process was being made
            _signal(run, signal.SIGINT)

    def _follow(self, run: _Run) -> None:
        try:
            with run.process:
                for line in run.process.stdout or ():
                    self.tell(f"{run.pipeline.name} | {line.rstrip()}")
        finally:
            self._ended.put(run)

    def _record(self, run: _Run) -> RunRecord | None:
        run_id = run.run_file.read_text().strip()
        if not run_id:
            return None
        with suppress(InfraciError):
            record = self.ledger.load(run_id)
            if record.verdict is None and run.process.returncode:  # it was killed
                return replace(record, verdict=Verdict.ERROR)
            return record
        return None

    def _stop(self, number: int) -> None:
        self._stopping = True
        for run in list(self._running):
            _signal(run, number)

    @contextmanager
    def _forwarding(self) -> Iterator[None]:
        """In here a signal to this process is forwarded to each run."""

        def forward(number: int, frame: FrameType | None) -> None:
            self.interrupted = True
            self._stop(number)

        before = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            for number, handler in before.items():
                if handler is not signal.SIG_IGN:
                    signal.signal(number, forward)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_command(
    *, verbosity: int, arguments: Sequence[str], cloud: str
) -> Callable[[Pipeline, Path], Sequence[str]]:
    """What makes the command line of each pipeline's run."""
    flags = ["-v"] * verbosity if verbosity > 0 else ["-q"] * -verbosity

    def command(pipeline: Pipeline, run_file: Path) -> Sequence[str]:
        where = ["--cloud", pipeline.cloud or cloud, "--run-file", str(run_file)]
        return [
            *own_program(),
            *flags,
            "run",
            *where,
            *arguments,
            "--",
            pipeline.name,
        ]

    return command


def _signal(run: _Run, number: int) -> None:
    with suppress(ProcessLookupError):
        run.process.send_signal(number)


def _code(returncode: int) -> ExitCode:
    codes = [code for code in ExitCode if code == returncode]
    return codes[0] if codes else ExitCode.UNTESTABLE
