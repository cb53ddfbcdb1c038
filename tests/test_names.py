"""Names for files."""

from __future__ import annotations

import pytest

from infraci.names import plain


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-0", "web-0"),
        ("Web_0.example", "Web_0.example"),
        ("db 1/prod", "db-1-prod"),
        ("../../etc", "etc"),
        ("-F", "F"),
        ("w*b?", "w-b-"),
        ("höm", "h-m"),
        ("/", "server"),
    ],
)
def test_plain(name: str, expected: str) -> None:
    assert plain(name) == expected
