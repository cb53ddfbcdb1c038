"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, and what of it is wrong."""

    what: str  # "token", "roles", "quota of servers"
    well: bool
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n  {self.remedy}" if self.remedy else ""
        return f"{'✓' if self.well else '✗'} {self.what}: {self.detail}{remedy}"
