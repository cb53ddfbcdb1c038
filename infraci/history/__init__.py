"""What runs have found, kept with the commits themselves: git notes that travel and merge."""

from __future__ import annotations

from infraci.history.notes import History
from infraci.history.result import RESULT, Case, Class, Result, dump, invalid, parse, result_of

__all__ = [
    "RESULT",
    "Case",
    "Class",
    "History",
    "Result",
    "dump",
    "invalid",
    "parse",
    "result_of",
]
