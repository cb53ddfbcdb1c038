"""What is left of a run for people and CI engines to read."""

from __future__ import annotations

from infraci.report.junit import write_junit
from infraci.report.table import Row, render_table

__all__ = ["Row", "render_table", "write_junit"]
