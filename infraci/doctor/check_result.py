"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check, and what to do if it fails."""

    what: str  # "token", "roles", "quota of servers"
    well: bool
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n  {self.remedy}" if self.remedy else ""
        return f"{'✓' if self.well else '✗'} {self.what}: {self.detail}{remedy}"
