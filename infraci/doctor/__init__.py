"""Checks whether a cloud has what a run needs, before the run makes anything."""

from __future__ import annotations

from infraci.doctor.check_result import CheckResult
from infraci.doctor.examine import examine
from infraci.doctor.quota import check_quotas

__all__ = ["CheckResult", "check_quotas", "examine"]
