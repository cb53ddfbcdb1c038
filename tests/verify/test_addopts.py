"""Which of a repository's options are honoured."""

from __future__ import annotations

import shlex

import pytest

from infraci.verify.addopts import without_clashes


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ("-m 'not slow' -v --tb=short", "-m 'not slow' -v --tb=short"),
        ("-n auto -v", "-v"),
        ("-n4 -cother.ini", ""),
        ("--numprocesses=2 --dist loadscope", ""),
        ("--hosts ssh://a,ssh://b --sudo", "--sudo"),
        ("--junitxml=a.xml --junit-xml b.xml", ""),
        ("--pdb --strict-config --strict-markers", "--strict-markers"),
        ("-n", ""),
        ("--strange=1 -v", "-v"),
        ("--strange value -v", "-v"),
    ],
)
def test_without_clashes(options: str, kept: str) -> None:
    def parse(tokens: list[str]) -> tuple[list[str], list[str]]:
        """Like pytest's own parser where it does not know an option."""
        unknown = [token for token in tokens if token.startswith("--strange")]
        return [token for token in tokens if token == "value"], unknown

    kept_options, left_out = without_clashes(shlex.split(options), parse)
    assert kept_options == shlex.split(kept)
    assert sorted(kept_options + left_out) == sorted(shlex.split(options))
