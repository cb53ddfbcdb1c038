"""What runs have found, kept with the commits themselves: git notes that travel and merge."""

from __future__ import annotations

from infraci.history.notes import History
from infraci.history.result import Case, Class, Result, dump, parse, result_of

__all__ = ["Case", "Class", "History", "Result", "dump", "parse", "result_of"]
