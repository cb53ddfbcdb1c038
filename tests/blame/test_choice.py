"""Which commits are worth a stack."""

from __future__ import annotations

import pytest

from infraci.blame import Belief, Flakiness, choose
from infraci.blame.choice import information
from infraci.blame.prior import weights

STEADY = Flakiness(passed=1_000_000)


def test_without_flakes_it_is_bisection() -> None:
    belief = Belief([1] * 8, nobody=1e-9, flakiness=STEADY)
    assert choose([belief], range(8)) == (3,)


def test_the_heavier_half_decides() -> None:
    belief = Belief([1, 1, 1, 97], nobody=1e-9, flakiness=STEADY)
    assert choose([belief], range(4)) == (2,)


def test_several_at_once_cut_the_range_evenly() -> None:
    belief = Belief([1] * 8, nobody=1e-9, flakiness=STEADY)
    chosen = choose([belief], range(8), count=3)
    assert len(set(chosen)) == 3
    assert information(belief.broken_at(chosen), belief.rate) > 1.7


def test_one_stack_answers_for_all_questions() -> None:
    """Neither question's own best commit, but one that tells of both."""
    early = Belief([1, 1, 1, 1], nobody=1e-9, flakiness=STEADY, start=0)
    late = Belief([1, 1, 1, 1], nobody=1e-9, flakiness=STEADY, start=2)
    (chosen,) = choose([early, late], range(6))
    assert chosen in (2, 3)


def test_when_all_is_known_nothing_is_run() -> None:
    belief = Belief([1], nobody=0.0, flakiness=STEADY)
    assert choose([belief], range(1)) == ()


@pytest.mark.parametrize("rate", [0.0005, 0.2, 0.5])
def test_two_results_tell_no_more_than_each_alone(rate: float) -> None:
    both = information([0.3, 0.6], rate)
    alone = information([0.3], rate) + information([0.6], rate)
    assert information([0.6], rate) < both <= alone


def test_a_result_of_a_coin_tells_a_bit_at_most() -> None:
    assert information([0.5], 1e-12) == pytest.approx(1.0, abs=0.02)
    assert information([1.0], 0.2) == pytest.approx(0.0, abs=1e-9)


def test_who_touched_nothing_that_is_used_is_nearly_innocent() -> None:
    heavy, light = weights([True, False, False])[:2]
    assert heavy > 5 * light > 0


@pytest.mark.parametrize("touching", [[True, True], [False, False]])
def test_where_files_tell_nothing_all_are_alike(touching: list[bool]) -> None:
    assert weights(touching) == (0.5, 0.5)
