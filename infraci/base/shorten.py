"""Shortens a long text to its beginning and its end."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """The text; if it has more than ``most`` characters, its beginning, a gap and its end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [… {len(text) - 2 * half} characters …] {text[-half:]}"
