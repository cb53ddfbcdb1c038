"""The results of runs, in git notes on their commits, which clones push, pull and merge."""

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
