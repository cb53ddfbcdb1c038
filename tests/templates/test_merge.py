"""Environments merged by Heat's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.templates.merge import MergeError, Merger

TYPES = {
    "text": "string",
    "count": "number",
    "names": "comma_delimited_list",
    "settings": "json",
    "flag": "boolean",
}


def merged(*environments: Mapping[str, Any]) -> dict[str, Any]:
    merger = Merger(TYPES)
    for environment in environments:
        merger.add(environment)
    return merger.merged


def test_the_later_one_wins() -> None:
    first = {"parameters": {"settings": {"a": 1}, "text": "x"}, "parameter_defaults": {"other": 1}}
    second = {"parameters": {"settings": {"b": 2}}, "parameter_defaults": {"another": 2}}
    assert merged(first, second) == {
        "parameters": {"settings": {"b": 2}, "text": "x"},
        "parameter_defaults": {"other": 1, "another": 2},
    }


def test_registries_are_one_registry() -> None:
    first = {"resource_registry": {"My::A": "a.yaml", "My::B": "b.yaml"}}
    second = {"resource_registry": {"My::B": "c.yaml"}}
    assert merged(first, second) == {"resource_registry": {"My::A": "a.yaml", "My::B": "c.yaml"}}


@pytest.mark.parametrize(
    ("strategy", "name", "old", "new", "result"),
    [
        ("merge", "text", "a", "b", "ab"),
        ("merge", "count", 2, "3", 5),
        ("merge", "names", "a,b", "c", "a,b,c"),
        ("merge", "names", ["a"], ["b"], ["a", "b"]),
        ("merge", "settings", {"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"y": 2}}),
        ("deep_merge", "settings", {"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ("deep_merge", "settings", {"a": [1], "b": "x"}, {"a": [2], "b": "y"},
         {"a": [1, 2], "b": "xy"}),
        ("overwrite", "settings", {"a": 1}, {"b": 2}, {"b": 2}),
    ],
)  # fmt: skip
def test_strategies(strategy: str, name: str, old: object, new: object, result: object) -> None:
    strategies = {"parameter_merge_strategies": {name: strategy}}
    for stated in (strategies, {"parameter_merge_strategies": {"default": strategy}}):
        first, second = {"parameters": {name: old}, **stated}, {"parameters": {name: new}, **stated}
        assert merged(first, second) == {"parameters": {name: result}}


@pytest.mark.parametrize(
    ("environments", "path", "reason"),
    [
        (
            [{"parameter_merge_strategies": {"text": "add"}}],
            ("parameter_merge_strategies", "text"),
            'expected one of overwrite, merge, deep_merge, found "add"',
        ),
        (
            [
                {"parameters": {"text": "a"}, "parameter_merge_strategies": {"text": "merge"}},
                {"parameters": {"text": "b"}, "parameter_merge_strategies": {"text": "overwrite"}},
            ],
            ("parameter_merge_strategies", "text"),
            '"overwrite", but an earlier environment says "merge"',
        ),
        (
            [
                {"parameters": {"flag": True}, "parameter_merge_strategies": {"flag": "merge"}},
                {"parameters": {"flag": True}},
            ],
            ("parameters", "flag"),
            "cannot be merged with the earlier environments' as a boolean",
        ),
        (
            [
                {"parameters": {"names": "a"}, "parameter_merge_strategies": {"names": "merge"}},
                {"parameters": {"names": ["b"]}},
            ],
            ("parameters", "names"),
            "cannot be merged with the earlier environments' as a comma_delimited_list",
        ),
    ],
)
def test_what_cannot_be_merged(
    environments: list[dict[str, Any]], path: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(MergeError) as caught:
        merged(*environments)
    assert (caught.value.path, str(caught.value)) == (path, reason)
