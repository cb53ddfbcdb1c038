"""Runs at once: here they are small programs in place of `infraci run`, to be quick and to fail."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

from infraci.app.execute_run import default_jobs
from infraci.app.parallel_runs import ParallelRuns
from infraci.errors import ExitCode
from infraci.ledger.ledger import Ledger
from infraci.model.pipeline import Pipeline, StackDefinition
from infraci.model.run import Verdict
from tests.records import record

#: Says that it is there, then what its pipeline's description says; ends as that wants.
CHILD = """
import os, signal, sys, time
run_file, run_id, way, waiting = sys.argv[1:]
open(run_file, "w").write(run_id)
print("begun", flush=True)
if way == "wait":
    def end(number, frame):
        os.write(1, b"torn down\\n")  # the signal may have come in the midst of print()
        sys.exit(130)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    print("waiting", flush=True)
    open(waiting, "w").close()
    while True:
        time.sleep(0.1)  # pause() would miss a signal that comes just before it
elif way == "fail when another waits":
    while not os.path.exists(waiting):
        time.sleep(0.05)
    sys.exit(1)
elif way == "die":
    os.kill(os.getpid(), signal.SIGKILL)
elif way == "lose":
    open(run_file, "w").write("")
    sys.exit(2)
sys.exit(int(way))
"""


@dataclass
class Programs:
    """Small programs in place of runs, and the lines that they print."""

    folder: Path
    jobs: int = 2
    fail_fast: bool = False
    lines: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, line: str) -> None:
        with self.changed:
            self.lines.append(line)
            self.changed.notify_all()

    def wait_for(self, *lines: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: set(lines) <= set(self.lines), timeout=30)

    def command(self, pipeline: Pipeline, run_file: Path) -> Sequence[str]:
        ledger = Ledger(self.folder)
        way = pipeline.description
        verdict = {
            "0": Verdict.PASSED,
            "1": Verdict.FAILED,
            "fail when another waits": Verdict.FAILED,
            "wait": Verdict.INTERRUPTED,
        }.get(way)
        made = record(
            id=f"{pipeline.name}-01234567-abcdef",
            pipeline=pipeline.name,
            voting=pipeline.voting,
            verdict=verdict,
        )
        ledger.create(made).release()
        waiting = str(self.folder / "waiting")
        return [sys.executable, "-c", CHILD, str(run_file), made.id, way, waiting]

    def runs(self) -> ParallelRuns:
        return ParallelRuns(
            command=self.command,
            ledger=Ledger(self.folder),
            tell=self.tell,
            jobs=self.jobs,
            fail_fast=self.fail_fast,
        )


def pipeline(name: str, way: str, *, voting: bool = True) -> Pipeline:
    return Pipeline(
        name=name,
        path=PurePosixPath("pipelines/x.yaml"),
        description=way,
        voting=voting,
        stack=StackDefinition(template=PurePosixPath("t.yaml")),
        specs={"all": (PurePosixPath("specs"),)},
    )


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def test_each_line_says_whose_it_is(programs: Programs) -> None:
    records, lost = programs.runs().run(
        [pipeline("a", "0"), pipeline("b", "1"), pipeline("c", "0")]
    )
    assert sorted((run.pipeline, run.verdict) for run in records) == [
        ("a", "passed"),
        ("b", "failed"),
        ("c", "passed"),
    ]
    assert lost is ExitCode.PASSED
    assert sorted(programs.lines) == ["a | begun", "b | begun", "c | begun"]


def test_a_run_that_is_killed_is_untestable(programs: Programs) -> None:
    (run,), lost = programs.runs().run([pipeline("a", "die")])
    assert (run.verdict, lost) == (Verdict.ERROR, ExitCode.PASSED)


def test_what_never_became_a_run_counts_by_its_exit_status(programs: Programs) -> None:
    records, lost = programs.runs().run([pipeline("a", "lose"), pipeline("b", "0")])
    assert [run.pipeline for run in records] == ["b"]
    assert lost is ExitCode.INVALID


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_tears_all_of_them_down(programs: Programs, number: int) -> None:
    runs = programs.runs()

    def interrupt() -> None:
        programs.wait_for("a | waiting", "b | waiting")
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    records, _ = runs.run([pipeline("a", "wait"), pipeline("b", "wait"), pipeline("c", "0")])
    assert runs.interrupted
    assert sorted(run.pipeline for run in records) == ["a", "b"]
    assert {"a | torn down", "b | torn down", "c | not run"} <= set(programs.lines)


def test_the_first_failure_ends_the_others_if_wanted(programs: Programs) -> None:
    programs.fail_fast = True
    runs = programs.runs()
    records, _ = runs.run(
        [pipeline("a", "wait"), pipeline("b", "fail when another waits"), pipeline("c", "0")]
    )
    assert not runs.interrupted
    assert sorted(run.pipeline for run in records) == ["a", "b"]
    assert {"b did not pass: the others are ended", "c | not run"} <= set(programs.lines)


def test_who_does_not_vote_ends_nobody(programs: Programs) -> None:
    programs.jobs, programs.fail_fast = 1, True
    records, _ = programs.runs().run([pipeline("a", "1", voting=False), pipeline("b", "0")])
    assert [run.pipeline for run in records] == ["a", "b"]


def test_how_many_at_once() -> None:
    assert default_jobs(["elsewhere"]) == 4
    assert default_jobs(["elsewhere", "local"]) == max(1, (os.cpu_count() or 1) // 2)
