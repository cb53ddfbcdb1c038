"""Whether a value fits a parameter of a template: its type, and the constraints that need no cloud.

Source: https://docs.openstack.org/heat/latest/template_guide/hot_spec.html#parameter-constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infraci.base.json_reader import read_json

_TRUE_OR_FALSE = ("t", "true", "on", "y", "yes", "1", "f", "false", "off", "n", "no", "0")


def unfit(value: object, declared: Mapping[str, Any]) -> str | None:
    """Why a value does not fit a parameter; None if it fits, or if only a cloud could tell."""
    kind = str(declared.get("type", "string"))
    try:
        typed = _typed(value, kind)
    except (TypeError, ValueError):
        return f"expected {_TYPE_NAMES.get(kind, kind)}, found {_shown(value, declared)}"
    constraints = declared.get("constraints")
    if not isinstance(constraints, list) or kind == "boolean":
        return None
    for constraint in constraints:
        if isinstance(constraint, dict):
            for reason in _violations(typed, constraint):
                description = constraint.get("description")
                shown = f"{_shown(value, declared)} {reason}"
                return f"{shown} ({description})" if description else shown
    return None


_TYPE_NAMES = {
    "number": "a number",
    "boolean": "true or false",
    "json": "a mapping, or JSON of one",
    "comma_delimited_list": "a list",
    "string": "text",
}


def _typed(value: object, kind: str) -> Any:
    """The value as its parameter's type; as it is where Heat has no such type.

    Raises TypeError or ValueError.
    """
    read = _READERS.get(kind)
    return value if read is None else read(value)


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).strip()
    return float(text) if re.search(r"[.eE]", text) else int(text)


def _boolean(value: object) -> object:
    if str(value).lower() not in _TRUE_OR_FALSE:
        raise ValueError(value)
    return value


def _json(value: object) -> dict[str, Any] | list[Any]:
    data = read_json(value) if isinstance(value, str) else value
    if not isinstance(data, dict | list):
        raise TypeError(value)
    return data


def _comma_delimited_list(value: object) -> list[Any]:
    if isinstance(value, dict):
        raise TypeError(value)
    return value if isinstance(value, list) else [item.strip() for item in str(value).split(",")]


def _string(value: object) -> str:
    if isinstance(value, dict | list):
        raise TypeError(value)
    return str(value)


_READERS: dict[str, Callable[[object], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "json": _json,
    "comma_delimited_list": _comma_delimited_list,
    "string": _string,
}


def _violations(value: Any, constraint: Mapping[str, Any]) -> Iterator[str]:
    for name, check in _CHECKS.items():
        if name in constraint:
            yield from check(value, constraint[name])


def _check_length(value: Any, limits: Any) -> Iterator[str]:
    if not isinstance(limits, dict) or not isinstance(value, str | list | dict):
        return
    length, least, most = len(value), _limit(limits, "min"), _limit(limits, "max")
    if least is not None and length < least:
        yield f"is too short: its length is {length}, the minimum is {least}"
    if most is not None and length > most:
        yield f"is too long: its length is {length}, the maximum is {most}"


def _check_range(value: Any, limits: Any) -> Iterator[str]:
    if not isinstance(limits, dict) or not isinstance(value, int | float):
        return
    least, most = _limit(limits, "min"), _limit(limits, "max")
    if least is not None and value < least:
        yield f"is less than {least}"
    if most is not None and value > most:
        yield f"is more than {most}"


def _limit(limits: Mapping[str, Any], name: str) -> float | None:
    limit = limits.get(name)
    return limit if isinstance(limit, int | float) else None


def _check_allowed_values(value: Any, allowed: Any) -> Iterator[str]:
    if not isinstance(allowed, list):
        return
    items = value if isinstance(value, list) else [value]
    if not {str(item) for item in items} <= {str(item) for item in allowed}:
        yield f"is none of the allowed values: {', '.join(map(str, allowed))}"


def _check_allowed_pattern(value: Any, pattern: Any) -> Iterator[str]:
    if not isinstance(pattern, str) or not isinstance(value, str):
        return
    try:
        match = re.match(pattern, value)
    except re.error:
        return
    if match is None or match.end() != len(value):
        yield f"does not match the pattern {pattern}"


def _check_modulo(value: Any, modulo: Any) -> Iterator[str]:
    if not isinstance(modulo, dict) or not isinstance(value, int):
        return
    step, offset = modulo.get("step"), modulo.get("offset")
    if isinstance(step, int) and isinstance(offset, int) and step and value % step != offset:
        yield f"is not {offset} modulo {step}"


_CHECKS: dict[str, Callable[[Any, Any], Iterator[str]]] = {
    "length": _check_length,
    "range": _check_range,
    "allowed_values": _check_allowed_values,
    "allowed_pattern": _check_allowed_pattern,
    "modulo": _check_modulo,
}


def _shown(value: object, declared: Mapping[str, Any]) -> str:
    hidden = str(declared.get("hidden", "")).lower() == "true"
    return "its value" if hidden else f'"{value}"'
