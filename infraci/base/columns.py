"""Formats rows of text as columns, each as wide as its widest cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infraci.base.terminal import shown


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> Iterator[str]:
    """One line for each row; all rows have the same number of cells."""
    rows = [[" ".join(shown(cell).split("\n")) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield f"{indent}{'  '.join(cells)}".rstrip()
