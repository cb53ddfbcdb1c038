"""The lines of a text: without the empty ones, the first and the last that says something."""

from __future__ import annotations


def full_lines(text: str) -> list[str]:
    """The lines that are not empty, without the space around each."""
    return [line for line in map(str.strip, text.splitlines()) if line]


def first_line(text: str, default: str = "") -> str:
    """The first line that is not empty; the default where there is none."""
    return next(iter(full_lines(text)), default)


def last_line(text: str, default: str = "") -> str:
    """The last line that is not empty; the default where there is none."""
    return next(reversed(full_lines(text)), default)


def last_lines(text: str, most: int) -> str:
    """The end of a text that is longer than so many lines; without the space around it."""
    return "\n".join(text.strip().splitlines()[-most:])
