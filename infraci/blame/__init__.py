"""Which commit broke a testcase: what the evidence says, and what to run next to know more."""

from __future__ import annotations

from infraci.blame.belief import Belief
from infraci.blame.choice import choose
from infraci.blame.flakiness import Flakiness

__all__ = ["Belief", "Flakiness", "choose"]
