"""A small share of ``python -m tests.assault``: a kill of each kind, at moments of a fixed seed."""

from __future__ import annotations

import pytest

from tests.assault import Blow, main, play, time_run

SEEDS = (100, 101, 103, 104, 107, 108)


@pytest.fixture(scope="module")
def run_s() -> float:
    return time_run()


@pytest.mark.cloud
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_run_leaves_nothing(seed: int, run_s: float) -> None:
    result = play(Blow.of(seed, run_s))
    assert result.left == (), f"{result.blow}\n{result.said}"


def test_the_seed_decides() -> None:
    assert Blow.of(7, 15.0) == Blow.of(7, 15.0)
    assert Blow.of(7, 15.0) != Blow.of(8, 15.0)


def test_no_round_is_no_leftover(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--kills", "0"]) == 0
    assert "0 rounds" in capsys.readouterr().out
