"""Merges environments by Heat's own rules: later values win, unless a strategy adds them up.

``parameter_merge_strategies`` of an environment says, by parameter or as ``default``, whether its
value replaces the earlier one (``overwrite``), is added to it (``merge``: lists and texts are
joined, numbers summed, maps updated), or is added at every depth (``deep_merge``).
Heat's clients leave the merge to Heat; source: heat/common/environment_util.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infraci.base.json_reader import read_json

_STRATEGIES = ("overwrite", "merge", "deep_merge")
SECTION = "parameter_merge_strategies"


class MergeError(Exception):
    """A value cannot be merged; ``path`` is the key path of the value or of its strategy."""

    def __init__(self, path: tuple[str, ...], reason: str) -> None:
        super().__init__(reason)
        self.path = path


@dataclass(slots=True)
class Merger:
    """The environments so far; ``types`` are those of the template's parameters."""

    types: Mapping[str, str]
    merged: dict[str, Any] = field(default_factory=dict)
    _chosen: dict[str, str] = field(default_factory=dict)

    def add(self, environment: Mapping[str, Any]) -> None:
        """Add a later environment. Raises MergeError."""
        strategies = environment.get(SECTION) or {}
        for name, strategy in strategies.items():
            if strategy not in _STRATEGIES:
                names = ", ".join(_STRATEGIES)
                raise MergeError((SECTION, name), f'expected one of {names}, found "{strategy}"')
        for section, content in environment.items():
            if section == SECTION or not content:
                continue
            if section in ("parameters", "parameter_defaults"):
                values = self.merged.setdefault(section, {})
                for name, value in content.items():
                    self._merge(values, section, name, value, strategies)
            elif isinstance(content, dict):
                self.merged[section] = {**self.merged.get(section, {}), **content}
            else:
                self.merged[section] = content

    def _merge(
        self,
        values: dict[str, Any],
        section: str,
        name: str,
        value: Any,
        strategies: Mapping[str, str],
    ) -> None:
        """Merge one parameter; all environments must state the same strategy for it."""
        stated = strategies.get(name)
        strategy = stated or self._chosen.get(name) or strategies.get("default", "overwrite")
        if self._chosen.setdefault(name, strategy) != strategy:
            reason = f'"{strategy}", but an earlier environment says "{self._chosen[name]}"'
            raise MergeError((SECTION, name), reason)
        if value is None:
            return
        if strategy == "overwrite" or name not in values:
            values[name] = value
            return
        kind = self.types.get(name, "")
        try:
            values[name] = _added(values[name], value, kind, deep=strategy == "deep_merge")
        except (TypeError, ValueError) as error:
            reason = f"cannot be merged with the earlier environments' as a {kind or 'value'}"
            raise MergeError((section, name), reason) from error


def _added(old: Any, new: Any, kind: str, *, deep: bool) -> Any:
    match kind:
        case "json":
            return _map(_parsed(old), _parsed(new), deep=deep)
        case "comma_delimited_list":
            return _list(old, new)
        case "string":
            return f"{old}{new}"
        case "number":
            return _number(old) + _number(new)
        case _:
            raise ValueError(kind)


def _map(old: dict[str, Any], new: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        if value is None:
            continue
        if deep and before and isinstance(value, dict):
            merged[key] = _map(before, value, deep=True)
        elif deep and before and isinstance(value, list):
            merged[key] = _list(before, value)
        elif deep and isinstance(value, str):
            merged[key] = f"{before or ''}{value}"
        else:
            merged[key] = value
    return merged


def _list(old: Any, new: Any) -> Any:
    if isinstance(old, list) and isinstance(new, list):
        return [*old, *new]
    if isinstance(old, str) and isinstance(new, str):
        return ",".join(filter(None, [old, new]))
    raise TypeError


def _number(value: Any) -> int | float:
    if isinstance(value, int | float):
        return value
    return float(value) if "." in value else int(value)


def _parsed(value: Any) -> dict[str, Any]:
    parsed = read_json(value) if isinstance(value, str) else value
    if not isinstance(parsed, dict):
        raise TypeError
    return parsed
