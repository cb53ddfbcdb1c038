"""Finds the commit that broke a testcase: weighs results of runs, chooses commits to run next."""

from __future__ import annotations

from infraci.blame.belief import Belief
from infraci.blame.flakiness import Flakiness
from infraci.blame.next_commits import choose

__all__ = ["Belief", "Flakiness", "choose"]
