"""The lines of a text."""

from __future__ import annotations

from infraci.base.lines import first_line, full_lines, last_line, last_lines

TEXT = "\n  one\r\n\n two \n   \n"


def test_empty_lines_do_not_count() -> None:
    assert full_lines(TEXT) == ["one", "two"]
    assert first_line(TEXT) == "one"
    assert last_line(TEXT) == "two"


def test_there_may_be_none() -> None:
    assert full_lines(" \n") == []
    assert first_line(" \n", "silent") == last_line("", "silent") == "silent"


def test_the_end_keeps_its_form() -> None:
    assert last_lines("one\n\n  two\nthree\n", 3) == "\n  two\nthree"
    assert last_lines("one", 3) == "one"
    assert last_lines("\n", 3) == ""
