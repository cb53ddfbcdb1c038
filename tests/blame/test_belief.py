"""What results make of a belief, against the model worked out by hand."""

from __future__ import annotations

import pytest

from infraci.blame import Belief, Flakiness

NEVER_FLAKY = Flakiness(passed=100_000)
OFTEN = Flakiness(passed=500_000, failed=500_000)


def test_before_any_result_the_prior_is_believed() -> None:
    belief = Belief([1, 3], nobody=0.4, before=0.2)
    assert belief.probabilities == pytest.approx((0.1, 0.3))
    assert (belief.before, belief.nobody) == pytest.approx((0.2, 0.4))


def test_a_pass_clears_a_commit_and_those_before_it() -> None:
    belief = Belief([1, 1, 1, 1], nobody=0.2, flakiness=NEVER_FLAKY)
    belief.observe(1, failed=False)
    assert sum(belief.probabilities[:2]) < 0.01
    assert belief.probabilities[2] == pytest.approx(belief.probabilities[3])


def test_a_failure_of_what_never_flakes_clears_nobody_and_those_after() -> None:
    belief = Belief([1, 1, 1, 1], nobody=0.4, flakiness=NEVER_FLAKY)
    belief.observe(1, failed=True)
    assert sum(belief.probabilities[:2]) > 0.99
    assert belief.nobody < 0.01


def test_a_failure_of_what_fails_half_the_time_doubles_the_odds() -> None:
    belief = Belief([1], nobody=0.5, flakiness=OFTEN)
    belief.observe(0, failed=True)
    assert belief.probabilities[0] / belief.nobody == pytest.approx(2.0, rel=0.01)


def test_failures_before_the_suspects_say_that_it_was_there_before() -> None:
    belief = Belief([1, 1], nobody=0.3, before=0.2)
    for _ in range(6):
        belief.observe(-1, failed=True)
    assert belief.before > 0.95


def test_the_order_of_results_does_not_matter() -> None:
    one, other = (Belief([1, 2, 3], nobody=0.4) for _ in range(2))
    results = [(0, False), (2, True), (1, True), (2, False)]
    for position, failed in results:
        one.observe(position, failed=failed)
    for position, failed in reversed(results):
        other.observe(position, failed=failed)
    assert one.probabilities == pytest.approx(other.probabilities)


def test_one_pass_against_many_failures_is_taken_for_odd() -> None:
    belief = Belief([1], nobody=0.4, flakiness=NEVER_FLAKY)
    for _ in range(5):
        belief.observe(0, failed=True)
    belief.observe(0, failed=False)
    assert belief.certainty > 0.5


def test_suspects_have_places_on_a_line_that_others_share() -> None:
    belief = Belief([1, 1], nobody=0.4, flakiness=NEVER_FLAKY, start=10)
    belief.observe(10, failed=False)
    assert belief.probabilities[0] < 0.01
    assert belief.broken_at([0, 10, 11, 99]) == pytest.approx(
        (0.0, belief.probabilities[0], 1 - belief.nobody, 1 - belief.nobody)
    )


def test_results_teach_how_flaky_it_is() -> None:
    belief = Belief([1], nobody=0.4)
    expected = belief.rate
    for failed in (True, False, True, False):
        belief.observe(0, failed=failed)
    assert belief.rate > expected
    assert belief.nobody > 0.9


def test_a_belief_without_suspects_is_an_error() -> None:
    with pytest.raises(ValueError, match="suspect"):
        Belief([], nobody=0.4)


def test_a_testcase_seen_to_pass_often_is_believed_to_be_steady() -> None:
    assert Flakiness(passed=200).rate < 0.01
    assert Flakiness(passed=50, failed=50).rate == pytest.approx(0.5, abs=0.03)
    assert sum(Flakiness(passed=3, failed=2).weights()) == pytest.approx(1.0)
