"""Makes text of others safe to show: it steers no terminal and forges no line.

Text of a commit, a server, a cloud, a report or a note may hold escape sequences, characters that
print over others, and characters that turn the direction of text.
"""

from __future__ import annotations

import re
from pathlib import Path

#: Terminals' sequences (ECMA-48): CSI; OSC, DCS and other strings with their ends; others. Of a
#: string without an end only the beginning is removed, or the rest of the text would be.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
#: Controls but for tabs and line feeds, and Unicode's own line ends.
_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
#: Characters of no width, and those by which text runs the other way: Unicode's category Cf,
#: without the signs of Arabic that are seen; and fillers that look like nothing.
_UNSEEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
    "\U00013430-\U0001343f\U000110bd\U000110cd]"
)
_NO_TEXT = re.compile("[\ud800-\udfff\ufffe\uffff]")


def displayable(text: str) -> str:
    """The text as one line, without what could mislead its reader."""
    return re.sub(r"[ \t\n]+", " ", displayable_lines(text)).strip()


def displayable_lines(text: str) -> str:
    """Make text of several lines safe to show; keeps its line feeds, tabs and columns."""
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCES.sub("", text.replace("\r\n", "\n"))
    text = _CONTROLS.sub(" ", text)
    return _NO_TEXT.sub("\ufffd", _UNSEEN.sub("", text))


def with_relative_paths(text: str, root: Path) -> str:
    """The text with paths below a folder as they are seen from there; the folder itself is ".".

    A commit's files are in a temporary folder, and are called what they are in the repository.
    """
    if str(root) not in text:
        return text
    whole = re.compile(rf"{re.escape(str(root))}(?:(/)(?=[^\s/])|(?![\w.-]))")
    return whole.sub(lambda match: "" if match[1] else ".", text)
