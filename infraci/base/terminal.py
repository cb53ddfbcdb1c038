"""Prints to the user: text without secrets and without control characters."""

from __future__ import annotations

import json

import click

from infraci.base.display import displayable_lines
from infraci.base.mask import Masker, process_masker


def shown(text: str, masker: Masker | None = None) -> str:
    """Text, of one or more lines, made safe to print, without secrets."""
    masker = masker or process_masker()
    # Twice: a secret may have had characters in it that are not shown.
    return masker.mask(displayable_lines(masker.mask(text)))


def say(text: object = "", *, err: bool = False, head: str = "") -> None:
    """Print text, on standard error with ``err``; ``head`` is our own and may have colours."""
    click.echo(f"{head}{shown(str(text))}", err=err)


def say_line(text: object, *, err: bool = False) -> None:
    """Print one line, whatever line ends are in the text: it forges no other line."""
    say(shown(str(text)).replace("\n", " "), err=err)


def say_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(process_masker().mask_value(value), indent=2, default=str))
