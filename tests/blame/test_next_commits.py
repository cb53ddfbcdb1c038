"""Which commits are worth a stack."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from infraci.blame import Belief, Flakiness, choose
from infraci.blame.next_commits import bits_of, information
from infraci.blame.prior import Weight, older_share, recency, weights

STEADY = Flakiness.of([False] * 10_000)


def _failed(*prior: float, start: int = 0, flakiness: Flakiness = STEADY) -> Belief:
    """A belief of which the last suspect was seen to fail."""
    belief = Belief(prior, breaks=1.0 - 1e-9, flakiness=flakiness, start=start)
    belief.observe(start + len(prior) - 1, failed=True)
    return belief


def test_without_flakes_it_cuts_the_range_in_two() -> None:
    (chosen,) = choose([_failed(*[1] * 8)], range(8))
    assert chosen in (2, 3)  # a pass would confirm as well, and is the likelier below the middle


def test_the_heavier_half_decides() -> None:
    assert choose([_failed(1, 1, 1, 97)], range(4)) == (2,)


def test_several_at_once_cut_the_range_evenly() -> None:
    belief = _failed(*[1] * 8)
    chosen = choose([belief], range(8), count=3)
    assert len(set(chosen)) == 3
    bits = information(belief.expected(), sorted(map(belief.broken, chosen)))
    assert bits > 1.7


def test_they_are_started_in_an_order_of_chance() -> None:
    """Else an agent that is wrong would always get the same side."""
    belief = _failed(*[1] * 16)
    chosen = {choose([belief], range(16), count=3, rng=random.Random(n)) for n in range(30)}
    assert len(chosen) == 6
    assert len({tuple(sorted(positions)) for positions in chosen}) == 1


def test_one_stack_answers_for_all_questions() -> None:
    """Neither question's own best commit, but one that tells of both."""
    early, late = _failed(1, 1, 1, 1), _failed(1, 1, 1, 1, start=2)
    (chosen,) = choose([early, late], range(6))
    assert chosen in (2, 3)


def test_what_is_believed_is_confirmed_at_the_commit_and_the_one_before_it() -> None:
    belief = _failed(1, 1, 1, 1)
    belief.observe(0, failed=False)
    belief.observe(2, failed=True)
    assert belief.is_confirmed(2)
    belief = _failed(1e-9, 1e-9, 1, 1e-9)
    assert choose([belief], range(4)) == (1,)
    belief.observe(1, failed=False)
    assert choose([belief], range(4)) == (2,)
    belief.observe(2, failed=True)
    assert choose([belief], range(4)) == ()


def test_confirmation_is_left_to_runs_that_are_alone() -> None:
    belief = _failed(1e-9, 1, 1e-9)
    assert choose([belief], range(3), count=4) == (0,)
    assert len(choose([_failed(*[1] * 30)], range(30), count=4)) == 4


def test_a_coin_decides_the_side_of_a_flaky_testcase() -> None:
    """So that no pattern of its own follows the culprit for long."""
    belief = Belief([1], flakiness=Flakiness.of([False, True, True, False, False] * 4))
    belief.observe(0, failed=True)
    assert belief.is_flaky
    sides = Counter(choose([belief], range(-1, 1), rng=random.Random(n))[0] for n in range(200))
    assert 20 < min(sides.values()) < 80
    belief = Belief([1])
    belief.observe(0, failed=True)
    assert {choose([belief], range(-1, 1), rng=random.Random(n)) for n in range(99)} == {(-1,)}


def test_when_all_is_known_nothing_is_run() -> None:
    belief = _failed(1)
    belief.observe(-1, failed=False)
    belief.observe(0, failed=True)
    assert choose([belief], range(1)) == ()
    assert choose([], range(3)) == ()
    assert choose([belief], ()) == ()


@pytest.mark.parametrize("seen", [[False] * 100, [False, True], [True, False, False, False]])
def test_two_results_tell_no_more_than_each_alone(seen: list[bool]) -> None:
    belief = Belief([1, 1, 1], flakiness=Flakiness.of(seen * 5))
    belief.observe(2, failed=True)
    expected = belief.expected()
    first, second = (information(expected, [belief.broken(p)]) for p in (0, 1))
    both = information(expected, [belief.broken(0), belief.broken(1)])
    assert max(first, second) - 1e-9 <= both <= first + second + 1e-9


def test_a_result_tells_a_bit_at_most() -> None:
    half, all_ = bits_of(_failed(1, 1), [0, 1])
    assert half == pytest.approx(1.0, abs=0.02)
    assert all_ == pytest.approx(0.0, abs=1e-6)


def test_who_touched_nothing_that_is_used_is_nearly_innocent() -> None:
    used, unused, words, nothing = weights(
        [Weight.USED, Weight.UNUSED, Weight.WORDS, Weight.NOTHING]
    )
    assert used > 10 * unused > 100 * words > nothing == 0.0


@pytest.mark.parametrize("kind", Weight)
def test_where_files_tell_nothing_all_are_alike(kind: Weight) -> None:
    assert weights([kind, kind]) == (0.5, 0.5)


def test_the_latest_commits_are_the_more_suspicious_and_all_add_up() -> None:
    for typical in (0.5, 3.0):
        chances = [recency(age, typical) for age in range(50)]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) + older_share(50, typical) == pytest.approx(1.0)
    assert sum(chances[:3]) == pytest.approx(0.5)
