"""Which commit broke a testcase: what the evidence says, and what to run next to know more."""

from __future__ import annotations

from infraci.blame.belief import Belief
from infraci.blame.flakiness import Flakiness
from infraci.blame.next_commits import choose

__all__ = ["Belief", "Flakiness", "choose"]
