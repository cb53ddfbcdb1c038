"""What results make of a belief, and what runs that depend on each other do not prove."""

from __future__ import annotations

import math

import pytest

from infraci.blame import Belief, Flakiness
from infraci.blame.flakiness import CHAINS, UNSEEN, share_of

STEADY = Flakiness.of([False] * 1000)
TARGET = 0.99


def _learn(belief: Belief, results: str, *, culprit: int = 0, **options: bool) -> None:
    """Learn results, each by its side of a culprit: ``F``, ``P`` there, ``f``, ``p`` before it."""
    for result in results:
        position = culprit if result.isupper() else culprit - 1
        belief.observe(position, failed=result in "Ff", **options)


def _suspect(**options: object) -> Belief:
    """A belief in one suspect, whose parent can be run."""
    return Belief([1], **options)  # type: ignore[arg-type]


def test_before_any_result_the_prior_is_believed() -> None:
    belief = Belief([1, 3], breaks=0.8, before=0.25)
    assert belief.probabilities == pytest.approx((0.15, 0.45))
    assert (belief.before, belief.no_culprit, belief.world) == pytest.approx((0.2, 0.2, 0.0))


def test_results_that_do_not_depend_on_each_other_are_weighed_by_bayes_rule() -> None:
    """Against the sum over all chains, worked out here."""
    belief = Belief([1, 1], breaks=0.5, flakiness=Flakiness.of([]))
    belief.observe(1, failed=True)
    belief.observe(0, failed=False)
    weights = Flakiness.of([]).weights()
    passes = [1 - row.stationary for row in CHAINS]
    first = 0.25 * 0.999 * 0.001
    second = 0.25 * 0.999 * sum(w * p for w, p in zip(weights, passes, strict=True))
    no_culprit = 0.5 * sum(
        weight * row.stationary * (1 - row.after_failure)
        for weight, row in zip(weights, CHAINS, strict=True)
    )
    total = first + second + no_culprit
    assert belief.probabilities == pytest.approx((first / total, second / total))
    assert belief.no_culprit == pytest.approx(no_culprit / total)


def test_a_pass_clears_a_commit_and_those_before_it() -> None:
    belief = Belief([1, 1, 1, 1], flakiness=STEADY)
    belief.observe(3, failed=True)
    belief.observe(1, failed=False)
    assert sum(belief.probabilities[:2]) < 0.01
    assert belief.probabilities[2] == pytest.approx(belief.probabilities[3], rel=0.01)


def test_failures_before_the_suspects_say_that_it_was_there_before() -> None:
    belief = Belief([1, 1], before=0.2)
    for _ in range(4):
        belief.observe(-1, failed=True)
    assert belief.before > 0.95


def test_one_pass_against_many_failures_is_taken_for_odd() -> None:
    belief = _suspect(flakiness=STEADY)
    _learn(belief, "FpFpFpFP")
    assert belief.probabilities[0] > 0.5


def test_a_block_of_equal_results_counts_about_once() -> None:
    """A testcase that fails in bursts fails again, whatever is run."""
    bursts = Flakiness.of(([False] * 12 + [True] * 6) * 4)
    once, often, alternating = (_suspect(flakiness=bursts) for _ in range(3))
    _learn(once, "F")
    _learn(often, "FFFF")
    _learn(alternating, "FpFpF")
    odds = [b.probabilities[0] / b.no_culprit for b in (once, often, alternating)]
    assert odds[1] < 2.5 * odds[0]
    assert odds[2] > 20 * odds[0]


def test_what_fails_in_turns_is_not_proven_by_turns() -> None:
    """Its pattern may be that of the runs, so that only many of them tell."""
    turns = Flakiness.of([False, True] * 20)
    random = Flakiness.of([True, True, False, False] * 10)
    one, other = _suspect(flakiness=turns), _suspect(flakiness=random)
    for belief in (one, other):
        _learn(belief, "FpFpF")
    assert one.probabilities[0] < 0.5 < other.probabilities[0]


def test_the_flakier_it_was_the_more_often_it_has_to_alternate() -> None:
    def runs(flakiness: Flakiness) -> int:
        belief = _suspect(flakiness=flakiness)
        _learn(belief, "F")
        count = 1
        while not belief.is_settled(TARGET):
            _learn(belief, "pF")
            count += 2
        return count

    seen = [[False] * 100, [False] * 20 + [True], [False, False, False, True] * 10]
    counts = [runs(Flakiness.of(results)) for results in seen]
    assert counts[0] == 3
    assert counts == sorted(counts)
    assert counts[-1] > 5
    assert runs(Flakiness.of([], share=0.5)) > runs(Flakiness.of([]))  # for its neighbours are


@pytest.mark.parametrize("results", ["F", "Fp", "FFFFFF", "pFFF", "FFp", "ppF"])
def test_a_culprit_is_not_settled_before_it_failed_passed_and_failed_again(results: str) -> None:
    belief = _suspect(flakiness=STEADY)
    _learn(belief, results)
    assert belief.probabilities[0] > 0.9
    assert not belief.is_confirmed(0)
    assert not belief.is_settled(0.5)


@pytest.mark.parametrize("results", ["FpF", "pFpF", "FFppFF", "FpFp"])
def test_and_then_it_is(results: str) -> None:
    belief = _suspect(flakiness=STEADY)
    _learn(belief, results)
    assert belief.is_confirmed(0)
    assert belief.is_settled(TARGET)


def test_runs_beside_others_confirm_nothing_but_the_first_failure() -> None:
    belief = _suspect(flakiness=STEADY)
    _learn(belief, "FpFpF", is_alone=False)
    assert belief.steps_left(0) == 2
    _learn(belief, "pF")
    assert belief.is_confirmed(0)


def test_where_nothing_can_be_run_before_it_repeated_failure_must_do() -> None:
    belief = Belief([1], is_lonely=True)
    _learn(belief, "FF")
    assert not belief.is_confirmed(0)
    _learn(belief, "FFFF")
    assert belief.is_settled(TARGET)


def test_a_commit_without_the_testcase_is_a_step_of_a_confirmation_and_no_more() -> None:
    belief, other = Belief([1]), Belief([1])
    for one in (belief, other):
        one.observe(0, failed=True)
    belief.observe_absence(-1)
    assert belief.probabilities == other.probabilities
    assert belief.steps_left(0) == 1


def test_the_head_without_a_suspect_clears_others_when_it_passes() -> None:
    belief = Belief([1, 1, 1], flakiness=STEADY)
    belief.observe(2, failed=True)
    belief.observe(2, failed=False, without=1)
    assert belief.probabilities[1] > 0.95
    assert belief.steps_left(1) == 1


def test_the_head_without_a_suspect_that_fails_all_the_same_speaks_for_others() -> None:
    belief = Belief([1, 1, 1], flakiness=STEADY)
    belief.observe(2, failed=True)
    belief.observe(2, failed=True, without=1)
    first, second, third = belief.probabilities
    assert second < 0.2 * first
    assert first == pytest.approx(third)


def test_the_parent_that_passed_and_fails_now_speaks_for_a_changed_world() -> None:
    belief = _suspect(flakiness=Flakiness.of([False]), changes=0.02)
    _learn(belief, "FfFf")
    assert belief.world > 0.9
    assert belief.no_culprit > TARGET


def test_suspects_have_places_on_a_line_that_others_share() -> None:
    belief = Belief([1, 1], flakiness=STEADY, start=10)
    assert [belief.broken(position) for position in (0, 9, 10, 11, 99)] == [1, 1, 2, 3, 3]
    belief.observe(11, failed=True)
    belief.observe(10, failed=False)
    assert belief.leader == 11


def test_a_belief_without_suspects_is_an_error() -> None:
    with pytest.raises(ValueError, match="suspect"):
        Belief([])


def test_chains_add_up_and_what_was_seen_decides_between_them() -> None:
    for seen in ([], [False] * 200, [True, False] * 20, [True] * 5 + [False] * 30):
        assert math.isclose(sum(Flakiness.of(seen).weights()), 1.0)

    def flaky(seen: list[bool]) -> float:
        weights = zip(CHAINS, Flakiness.of(seen).weights(), strict=True)
        return sum(weight for row, weight in weights if row.is_flaky)

    assert flaky([]) < 2 * UNSEEN
    assert flaky([False] * 200) < UNSEEN
    assert flaky(([False] * 20 + [True]) * 4 + [False] * 20) > 0.3
    assert flaky([True, False, False] * 5) > 0.99


def test_how_many_are_flaky_is_learned_from_the_pipeline() -> None:
    assert share_of(flaky=0, steady=0) == UNSEEN
    assert share_of(flaky=0, steady=100) < UNSEEN
    assert 0.1 < share_of(flaky=10, steady=10) < 0.5
