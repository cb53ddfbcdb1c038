"""Text made short enough to be read or kept."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """The text; of a longer one than ``most`` characters its beginning and end, and the gap."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [… {len(text) - 2 * half} characters …] {text[-half:]}"
