"""Values that parameters take."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.published_templates.values import fits, value_for


def _rules(**rules: Any) -> dict[str, Any]:
    return {"type": "string", "constraints": [{name: rule} for name, rule in rules.items()]}


@pytest.mark.parametrize(
    ("name", "declared", "value"),
    [
        ("whatever", _rules(allowed_values=["a", "b"]), "a"),
        ("whatever", {**_rules(allowed_values=["a", "b"]), "default": "b"}, "b"),
        ("subnet_cidr", {"type": "string"}, "10.77.0.0/24"),
        ("gateway_ip", {"type": "string"}, "10.77.0.1"),
        ("listen_port", {"type": "number"}, 8080),
        ("size", {"type": "number", "constraints": [{"range": {"min": 5}}]}, 5),
        ("on", {"type": "boolean"}, False),
        ("data", {"type": "json"}, {}),
        ("zone", _rules(allowed_pattern=r".+\.$"), "example.org."),
    ],
)
def test_a_value_is_as_the_parameter_is_called_and_declared(
    name: str, declared: dict[str, Any], value: object
) -> None:
    assert value_for(name, declared, None) == value


def test_what_a_parameter_names_wins_over_what_it_is_called() -> None:
    assert value_for("cidr", {"type": "string"}, "private") == "private"


@pytest.mark.parametrize(
    "declared",
    [
        _rules(length={"min": 6, "max": 8}),
        _rules(length={"min": 40}),
        _rules(length={"min": 8}, allowed_pattern="[a-zA-Z0-9]+"),
        _rules(allowed_pattern="[A-Z]+[a-zA-Z0-9]*"),
        _rules(allowed_pattern="[0-9]+"),
    ],
)
def test_a_text_keeps_to_the_constraints(declared: dict[str, Any]) -> None:
    for name in ("admin_password", "user", "something"):
        assert fits(str(value_for(name, declared, None)), declared), name


@pytest.mark.parametrize(
    ("value", "rule", "kept"),
    [
        ("ab", {"allowed_pattern": "[a-z]"}, False),
        ("ab", {"length": {"max": 1}}, False),
        (3, {"range": {"min": 4}}, False),
        (3, {"modulo": {"step": 2, "offset": 0}}, False),
        (3, {"modulo": {"step": 2, "offset": 1}}, True),
        ("x", {"custom_constraint": "nova.flavor"}, True),
    ],
)
def test_constraints(value: str | int, rule: dict[str, Any], kept: bool) -> None:
    assert fits(value, {"constraints": [rule]}) is kept


def test_a_pattern_that_python_cannot_read_is_left_to_heat() -> None:
    pattern = "[a-z"
    with pytest.raises(re.error):
        re.compile(pattern)
    assert fits("x", _rules(allowed_pattern=pattern))
