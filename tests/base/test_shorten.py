"""Text made short."""

from __future__ import annotations

from infraci.base.shorten import shortened


def test_the_beginning_and_the_end_of_long_text_stay() -> None:
    assert shortened("short", 10) == "short"
    text = "begin" + "x" * 1000 + "end"
    short = shortened(text, 20)
    assert short.startswith("beginxxxxx [… 988 characters …]")
    assert short.endswith("end")
