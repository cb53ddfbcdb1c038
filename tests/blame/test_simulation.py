"""A share of the simulation, always the same: what blame may never do often."""

from __future__ import annotations

import pytest

from benchmarks.blame import CLOUD, CORRELATED, OUTSIDE, score

_SIZE, _SEED = 60, 1


@pytest.mark.parametrize("kind", ["informative", *CORRELATED, OUTSIDE])
@pytest.mark.parametrize("name", ["infraci", "infraci, 4 at once"])
def test_hardly_any_innocent_commit_is_blamed(kind: str, name: str) -> None:
    scored = score((name, kind, _SIZE, _SEED, 1))
    assert scored.blamed <= 1 / _SIZE
    assert scored.accuracy >= 0.9


def test_no_commit_is_blamed_for_a_cloud_in_trouble() -> None:
    assert score(("infraci", CLOUD, _SIZE, _SEED, 1)).blamed == 0
