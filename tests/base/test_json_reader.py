"""JSON that others have written: read, or refused with a reason, whatever it is."""

from __future__ import annotations

import pytest

from infraci.base.json_reader import read_json


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON from line 1, column 1"),
        ("{\n", "not JSON from line 2, column 1"),
        (b"\xff\xfe", "not JSON"),
        (b'"\xe9"', "not UTF-8"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 100_000, "nested deeper"),
        ("[" * 101 + "]" * 101, "nested deeper"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested deeper"),
        ('[{"a":' * 51 + "1" + "}]" * 51, "nested deeper"),
        ("NaN", "it holds NaN"),
        ("[-Infinity]", "it holds -Infinity"),
        ("1" * 10_000, "integer"),
    ],
)
def test_what_cannot_be_read(content: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        read_json(content)
    assert "\n" not in str(raised.value)


def test_what_can() -> None:
    assert read_json(b'{"a": [1, "\xc3\xbc", null]}') == {"a": [1, "ü", None]}
    assert isinstance(read_json("[" * 100 + "]" * 100), list)
    assert read_json("[" + ",".join(["[[]]"] * 100_000) + "]")[-1] == [[]]
