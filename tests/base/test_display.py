"""Text of others, fit to be shown."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import pytest

from infraci.base.display import displayable, displayable_lines, with_relative_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 😀", "plain ünï 😀"),
        ("a\x1b[31mb\x1b[0m", "ab"),  # CSI
        ("a\x9b2Jb", "ab"),  # CSI, of C1
        ("a\x1b]0;title\x07b", "ab"),  # OSC
        ("a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\", "ab"),
        ("a\x9d52;c;eA==\x9cb", "ab"),
        ("a\x1bPq#0\x1b\\b\x1b_x\x1b\\c\x1b^y\x1b\\d\x1bXz\x1b\\", "abcd"),  # DCS, APC, PM, SOS
        ("a\x1b]0;no end", "a0;no end"),
        ("a\x1bcb\x1b(0c\x1b", "abc"),
        ("a\x1b[8mha:AAAA\x1b[0mb", "aha:AAAAb"),  # a console note of Jenkins
        ("failed\b\b\b\b\b\bpassed", "failed passed"),
        ("failed\rpassed", "failed passed"),
        ("a\r\nb\tc\0d", "a b c d"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("ze\u200bro\u2060 wi\ufeffdth\u00ad", "zero width"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("x\ufffe\uffff\udcff", "x\ufffd\ufffd\ufffd"),
        ("שלום", "שלום"),
    ],
)
def test_as_one_line(text: str, shown: str) -> None:
    assert displayable(text) == shown


def test_lines_and_columns_stay() -> None:
    assert displayable_lines("a  b\n\tc\r\nd\x1b[1me\n") == "a  b\n\tc\nde\n"


def test_no_character_that_steers_is_left() -> None:
    text = "".join(map(chr, range(sys.maxunicode + 1)))
    left = displayable_lines(text)
    steering = {c for c in left if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"}}
    arabic = {c for c in steering if unicodedata.bidirectional(c) == "AN"}  # signs that are seen
    assert steering - arabic == {"\t", "\n", "\u070f"}  # the last one is Syriac, and seen


def test_introducers_without_an_end_take_no_longer() -> None:
    assert displayable_lines("\x1b]" * 100_000 + "x\x9d" * 100_000) == "x " * 100_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /tmp/a.b/roles/web: no", "cannot read roles/web: no"),
        ("'/tmp/a.b/x', '/tmp/a.b/y'", "'x', 'y'"),
        ("no role in /tmp/a.b", "no role in ."),
        ("no role in /tmp/a.b/ or /tmp/a.b: no", "no role in ./ or .: no"),
        ("/tmp/a.bc/x and /tmp/aXb/x", "/tmp/a.bc/x and /tmp/aXb/x"),
    ],
)
def test_paths_below_a_folder_as_seen_from_there(text: str, shown: str) -> None:
    assert with_relative_paths(text, Path("/tmp/a.b")) == shown
