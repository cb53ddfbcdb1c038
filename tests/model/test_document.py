"""YAML as YAML 1.2 means it, with the place of everything."""

from __future__ import annotations

import math

import pytest

from infraci.model.document import parse_document
from infraci.model.nodes import plain


def read(text: str) -> object:
    document = parse_document(text.encode(), file="x.yaml")
    assert document.root is not None, document.problems
    assert document.problems == ()
    return plain(document.root.data())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("", None),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("22:22:22", "22:22:22"),
        ("1.10", 1.1),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("2021-04-16", "2021-04-16"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("0b101", "0b101"),
        ("=", "="),
        ('"true"', "true"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ("!!int 12", 12),
        ("!!null ''", None),
        ("9" * 50, "9" * 50),
        ("٣", "٣"),
    ],
)
def test_scalars_are_those_of_the_core_schema(written: str, value: object) -> None:
    assert read(f"key: {written}\n") == {"key": value}


def test_keys_are_the_text_they_were_written_with() -> None:
    assert read("1.10: a\non: b\n0x1: c\ntrue: d\n") == {
        "1.10": "a",
        "on": "b",
        "0x1": "c",
        "true": "d",
    }


def test_block_text_and_windows_line_ends() -> None:
    assert read("a: |\r\n  x\r\n  y\r\nb: 1\r\n") == {"a": "x\ny\n", "b": 1}


def test_a_byte_order_mark_is_ignored() -> None:
    document = parse_document("\ufeffa: 1\n".encode(), file="x.yaml")
    assert document.position(("a",), key=True) == (1, 1)


def test_places_of_keys_and_values() -> None:
    text = "a:\n  b:\n    - c: 1\n      'd e':  2\n  ünï: x\n"
    document = parse_document(text.encode(), file="x.yaml")
    assert document.position(()) == (1, 1)
    assert document.position(("a", "b", 0, "d e"), key=True) == (4, 7)
    assert document.position(("a", "b", 0, "d e")) == (4, 15)
    assert document.position(("a", "ünï")) == (5, 8)
    assert document.position(("a", "b", 0, "missing")) == (3, 7)
    assert document.position(("a", "missing", "further")) == (1, 1)


def test_places_behind_an_alias_are_where_the_value_stands() -> None:
    document = parse_document(b"a: &x {b: 1}\nc: *x\n", file="x.yaml")
    assert document.position(("c", "b")) == (1, 11)


def test_shared_values_within_limits_are_fine() -> None:
    assert read("a: &x [1, 2]\nb: [*x, *x]\n") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_an_anchor_may_be_used_again_for_something_else() -> None:
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    document = parse_document(b"[" * 100_000, file="x.yaml")
    assert [p.message for p in document.problems] == ["nested deeper than 32 levels"]


def test_aliases_do_not_nest_deeper_than_allowed() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [[*a{n - 1}]]" for n in range(1, 20)]
    document = parse_document("\n".join(lines).encode(), file="x.yaml")
    assert document.problems[0].message == "nested deeper than 32 levels, with aliases expanded"


def test_several_problems_are_all_there() -> None:
    document = parse_document(b"a: 1\na: !x 2\n<<: {}\n", file="x.yaml")
    assert [(p.line, p.column) for p in document.problems] == [(2, 4), (2, 1), (3, 1)]
