"""Explains PyYAML's errors in words that say what to do, at the place where each began."""

from __future__ import annotations

import yaml

from infraci.model.problem import Problem

#: PyYAML's words, what they mean, and whether the mistake is where its context begins.
_MEANINGS = (
    ("found character '\\t'", "a tab; YAML is indented with spaces", False),
    (
        "mapping values are not allowed here",
        'a ":" where no key can be; check the indentation, or quote a value that holds ": "',
        False,
    ),
    ("could not find expected ':'", 'expected ":" after this key', True),
    ("found unexpected end of stream", "the quoted text never ends", True),
    ("expected <block end>", "out of place; check the indentation", False),
    ("expected ',' or ']'", 'expected "," or "]" in the list', False),
    ("expected ',' or '}'", 'expected "," or "}" in the mapping', False),
    ("expected the node content", "expected a value", False),
    (
        "that cannot start any token",
        'text cannot begin with "{character}" unless it is quoted',
        False,
    ),
    ("found unknown escape character", "an unknown escape; use single quotes", False),
    ("expected alphabetic or numeric character", "expected a name; quote text like this", False),
)


def describe(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """The problem behind an error of PyYAML's while it parsed that text."""
    if isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        return Problem(
            file=file,
            line=before.count("\n") + 1,
            column=len(before.rpartition("\n")[2]) + 1,
            message=f"the control character U+{ord(text[error.position]):04X} is not allowed",
        )
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file=file, message=f"not valid YAML: {error}")
    message, mark = f"not valid YAML: {error.problem}", error.problem_mark
    for words, meaning, at_context in _MEANINGS:
        if words in (error.problem or ""):
            meaning = meaning.replace("{character}", _character(text, error.problem_mark))
            message = f"not valid YAML: {meaning}"
            mark = (error.context_mark or mark) if at_context else mark
            break
    if mark is None:
        return Problem(file=file, message=message)
    return Problem(file=file, line=mark.line + 1, column=mark.column + 1, message=message)


def _character(text: str, mark: yaml.Mark | None) -> str:
    return text[mark.index : mark.index + 1] if mark else ""
