"""What a run needs of a cloud, held against what the cloud has, before anything is made."""

from __future__ import annotations

from infraci.doctor.check_result import Finding
from infraci.doctor.examine import examine
from infraci.doctor.quota import check_quotas

__all__ = ["Finding", "check_quotas", "examine"]
