"""Values against what a template declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.templates.constraints import unfit


def declared(type_: str, *rules: Mapping[str, Any], hidden: bool = False) -> dict[str, Any]:
    return {"type": type_, "constraints": list(rules), "hidden": hidden}


RANGE = {"range": {"min": 1, "max": 10}}
LENGTH = {"length": {"min": 2, "max": 4}}
ALLOWED = {"allowed_values": ["a", 1]}


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        ("10", declared("number", RANGE)),
        (1.5, declared("number", RANGE)),
        ("yes", declared("boolean")),
        (False, declared("boolean")),
        ('{"a": 1}', declared("json")),
        ({"a": 1}, declared("json", {"length": {"max": 1}})),
        ("a,1", declared("comma_delimited_list", ALLOWED)),
        ("1", declared("string", ALLOWED)),
        ("abc", declared("string", LENGTH, {"allowed_pattern": "[a-z]+"})),
        (7, declared("number", {"modulo": {"step": 5, "offset": 2}})),
        ("any", declared("string", {"custom_constraint": "nova.flavor"})),
        ("any", {"type": "string", "constraints": "nonsense"}),
        ("any", declared("string", {"allowed_pattern": "["})),
    ],
)
def test_what_fits(value: object, parameter: Mapping[str, Any]) -> None:
    assert unfit(value, parameter) is None


@pytest.mark.parametrize(
    ("value", "parameter", "reason"),
    [
        ("ten", declared("number"), 'expected a number, found "ten"'),
        (True, declared("number"), 'expected a number, found "True"'),
        ("maybe", declared("boolean"), 'expected true or false, found "maybe"'),
        ("{", declared("json"), 'expected a mapping, or JSON of one, found "{"'),
        ({"a": 1}, declared("comma_delimited_list"), "expected a list, found \"{'a': 1}\""),
        (["a"], declared("string"), "expected text, found \"['a']\""),
        ("0", declared("number", RANGE), '"0" is less than 1'),
        (11, declared("number", RANGE), '"11" is more than 10'),
        ("a", declared("string", LENGTH),
         '"a" is too short: its length is 1, the minimum is 2'),
        ("b", declared("string", ALLOWED), '"b" is none of the allowed values: a, 1'),
        ("a,b", declared("comma_delimited_list", ALLOWED),
         '"a,b" is none of the allowed values: a, 1'),
        ("ab1", declared("string", {"allowed_pattern": "[a-z]+", "description": "letters only"}),
         '"ab1" does not match the pattern [a-z]+ (letters only)'),
        (6, declared("number", {"modulo": {"step": 5, "offset": 2}}), '"6" is not 2 modulo 5'),
        ("secret", declared("string", LENGTH, hidden=True),
         "its value is too long: its length is 6, the maximum is 4"),
    ],
)  # fmt: skip
def test_what_does_not_fit(value: object, parameter: Mapping[str, Any], reason: str) -> None:
    assert unfit(value, parameter) == reason
