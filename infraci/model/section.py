"""The base class of every mapping in infraci's files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping in a file of infraci's: unknown keys are problems."""

    __pydantic_config__ = ConfigDict(extra="forbid")


def never_null(schema: dict[str, Any]) -> None:
    """Say of an optional key that it is absent or of its kind, but never null."""
    schema.pop("default", None)
    if choices := schema.pop("anyOf", None):
        schema |= choices[0]
