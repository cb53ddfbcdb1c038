"""Masker: what must never be read in a log."""

from __future__ import annotations

import json
import shlex

import pytest

from infraci.mask import MASK, Masker


def test_every_occurrence_goes() -> None:
    assert Masker(["hunter22"]).mask("pw=hunter22; echo hunter22") == f"pw={MASK}; echo {MASK}"


def test_the_longer_secret_is_masked_whole() -> None:
    assert Masker(["abcd", "abcdefgh"]).mask("abcdefgh") == MASK


@pytest.mark.parametrize("quote", [str, shlex.quote, json.dumps])
def test_quoted_forms_go_too(quote: object) -> None:
    secret = 'it\'s "so" secret'
    assert callable(quote)
    assert "secret" not in Masker([secret]).mask(f"value: {quote(secret)}")


def test_a_secret_of_many_lines_is_masked_line_by_line() -> None:
    masker = Masker(["-----BEGIN-----\nAAAABBBB\n}\n-----END-----\n"])
    assert masker.mask("key AAAABBBB read") == f"key {MASK} read"
    assert masker.mask("a } stays") == "a } stays"


def test_nothing_to_hide() -> None:
    assert Masker().mask("text") == "text"
    assert Masker(["", "1", "on"]).mask("run 1 on web-0") == "run 1 on web-0"
