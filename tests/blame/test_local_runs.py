"""Runs for a search are processes; here a script replaces infraci."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.base.interrupts import Interrupts
from infraci.blame.local_runs import Runner
from infraci.errors import InterruptedRunError
from infraci.history import dump
from infraci.model.run import Verdict
from tests.history.repository import KNOWN


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    (tmp_path / "infraci").write_text(
        'echo "$@" >> "$HERE/arguments"\nsha=$4\n'
        'while [ "$1" != --search ]; do shift; done\nfile=$2\n. "$HERE/$sha"\n'
    )
    monkeypatch.setenv("HERE", str(tmp_path))
    return Runner(
        root=tmp_path,
        pipeline="web",
        cloud="moon",
        overrides=("-P image",),
        options=("-P", "image=x"),
        command=("sh", str(tmp_path / "infraci")),
    )


def _does(runner: Runner, sha: str, script: str) -> None:
    (runner.root / sha).write_text(script)


def test_results_come_back_in_order(runner: Runner) -> None:
    (runner.root / "line").write_text(dump(KNOWN))
    _does(runner, "a" * 40, 'cp "$HERE/line" "$file"; exit 1\n')
    _does(runner, "b" * 40, "exit 125\n")
    results = runner(["b" * 40, "a" * 40])
    assert results[0] is None
    assert results[1] == KNOWN
    arguments = sorted((runner.root / "arguments").read_text().splitlines())
    assert arguments[0].startswith(f"-qq run --commit {'a' * 40} --cloud moon -P image=x --search ")
    assert arguments[0].endswith(" -- web")


def test_a_commit_without_such_a_pipeline_says_nothing_of_a_plan(runner: Runner) -> None:
    _does(runner, "a" * 40, "exit 2\n")
    (result,) = runner(["a" * 40])
    assert result is not None
    assert (result.verdict, result.overrides, result.cloud) == (
        Verdict.INVALID,
        ("-P image",),
        "moon",
    )
    assert result.cases == {}
    assert result.failure == "there is no such pipeline"


def test_what_it_says_is_told(runner: Runner) -> None:
    messages: list[str] = []
    _does(runner, "a" * 40, "echo no luck >&2; exit 125\n")
    replace(runner, tell=messages.append)(["a" * 40])
    assert messages == ["testing aaaaaaaaaa", "aaaaaaaaaa: no luck"]


def test_an_interruption_tears_all_down_once(runner: Runner) -> None:
    """Ctrl-C reaches this process alone, which signals each run once and waits for it."""
    for sha in ("a" * 40, "b" * 40):
        _does(
            runner,
            sha,
            f'trap "echo signalled >> $HERE/{sha[0]}" TERM\n: > "$HERE/begun-{sha[0]}"\n'
            'while ! [ -e "$HERE/$(echo $sha | cut -c1)" ]; do sleep 0.05; done\n',
        )

    def interrupt() -> None:
        waiting = threading.Event()
        while not all((runner.root / f"begun-{name}").exists() for name in "ab"):
            waiting.wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    def run_interrupted() -> None:
        with Interrupts():
            threading.Thread(target=interrupt).start()
            runner(["a" * 40, "b" * 40])

    with pytest.raises(InterruptedRunError):
        run_interrupted()
    assert [(runner.root / name).read_text() for name in "ab"] == ["signalled\n", "signalled\n"]
