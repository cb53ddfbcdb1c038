"""What package managers, git and registries print when *they* cannot be reached.

Such a failure is no commit's fault by itself: the same commit may pass a minute later.
"""

from __future__ import annotations

import re

_SIGNATURES = re.compile(
    r"Temporary failure (?:resolving|in name resolution)|Hash Sum mismatch|Could not resolve host",
    re.IGNORECASE,
)


def outside_cause(text: str) -> str | None:
    """The line of an output that tells of an unreachable mirror or registry; None if none does."""
    return next((line.strip() for line in text.splitlines() if _SIGNATURES.search(line)), None)
