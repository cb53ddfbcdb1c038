"""Finds the line of a script that failed, if what it printed tells."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?::|$)")
#: How many lines of a traceback are looked at.
_TRACEBACK = 60
_WORD = re.compile(r"[\w./@+-]{3,}")
#: Words of error messages, which name nothing that a script is about.
_COMMON = frozenset(
    """
    access and are argument arguments available candidate cannot cause code command connect
    connection could create denied directory does error exist exists exit expected failed failure
    file find for found from group has have host install installation invalid line locate match
    missing must name not open operation option package packages permission permitted port process
    read refused required returned run server service start status such syntax that the this to
    token unable unit unknown unrecognized user valid value version was with write you
    """.split()  # noqa: SIM905
)


def line_of(name: str, script: str, output: Sequence[str], cause: str) -> int | None:
    """The line of a script that printed ``cause``, or made a program print it; None if unsure.

    The interpreter may have printed its number. Else it is the only line that has the cause's
    words, such as a package's name. ``output`` are lines as
    :func:`infraci.diagnosis.reason.plain_lines` has them, of which ``cause`` is one.
    """
    return _printed(name, output, cause) or _only_line_with(script, cause)


def without_location(name: str, cause: str) -> str:
    """A cause without what a shell puts before it: "app.sh: line 14: "."""
    return re.sub(rf"^(?:\S*/)?{re.escape(name)}: (?:line )?\d+: ", "", cause)


def _printed(name: str, output: Sequence[str], cause: str) -> int | None:
    """The number that a shell, Perl or Ruby has in the line itself, and Python before it."""
    own = re.escape(name)
    beside = re.search(
        rf"(?:^|[/\s(]){own}(?:: line |: |:)(\d+):|(?:^|[/\s]){own} line (\d+)\b", cause
    )
    if beside:
        return int(beside[1] or beside[2])
    if not _EXCEPTION.match(cause) or cause not in output:
        return None
    end = len(output) - 1 - list(reversed(output)).index(cause)
    for line in reversed(output[max(0, end - _TRACEBACK) : end]):
        if match := re.match(rf'File "(?:\S*/)?{own}", line (\d+)', line):
            return int(match[1])
        if line.startswith("Traceback (most recent call last)"):
            break
    return None


def _only_line_with(script: str, cause: str) -> int | None:
    """The only line that has all of the cause, or all of its words that only one line has."""
    code = {
        number: line
        for number, line in enumerate(script.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    }
    whole = [number for number, line in code.items() if cause in line]
    if len(whole) == 1:
        return whole[0]
    votes = set()
    for word in {word.strip(".-") for word in _WORD.findall(cause)}:
        if word.lower() in _COMMON or word.isdigit():
            continue
        bounded = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])")
        having = [number for number, line in code.items() if bounded.search(line)]
        if len(having) == 1:
            votes.add(having[0])
    return votes.pop() if len(votes) == 1 else None
