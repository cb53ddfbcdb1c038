"""Keeping secrets out of logs, evidence and reports."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable

#: What stands in a secret's place.
MASK = "******"

#: Masking shorter values would hide half of every log and protect nothing.
_SHORTEST = 4


class Masker:
    """Replaces known secrets in text, also as a shell or JSON would have quoted them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def mask(self, text: str) -> str:
        """Return ``text`` without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> Iterable[str]:
    """``secret`` and its lines (logs go line by line), as they may appear in output."""
    for value in {secret, *secret.splitlines()}:
        if len(value.strip()) < _SHORTEST:
            continue
        yield value
        yield shlex.quote(value)
        yield json.dumps(value)[1:-1]
