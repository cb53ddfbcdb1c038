"""Whether a value fits a parameter of a template: its type, and the constraints that need no cloud.

Source: https://docs.openstack.org/heat/latest/template_guide/hot_spec.html#parameter-constraints
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infraci.base.json_reader import read_json

_TRUE_OR_FALSE = ("t", "true", "on", "y", "yes", "1", "f", "false", "off", "n", "no", "0")


def unfit(value: object, declared: Mapping[str, Any]) -> str | None:
    """Why a value does not fit a parameter; None if it does, as far as can be told from here."""
    kind = str(declared.get("type", "string"))
    try:
        read = _read(value, kind)
    except (TypeError, ValueError):
        return f"expected {_WANTED.get(kind, kind)}, found {_shown(value, declared)}"
    rules = declared.get("constraints")
    for rule in rules if isinstance(rules, list) else ():
        if isinstance(rule, dict):
            for reason in _broken(read, kind, rule):
                said = rule.get("description")
                return f"{_shown(value, declared)} {reason}" + (f" ({said})" if said else "")
    return None


_WANTED = {
    "number": "a number",
    "boolean": "true or false",
    "json": "a mapping, or JSON of one",
    "comma_delimited_list": "a list",
    "string": "text",
}


def _read(value: object, kind: str) -> Any:
    match kind:
        case "number":
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value
            text = str(value).strip()
            return float(text) if re.search(r"[.eE]", text) else int(text)
        case "boolean":
            if str(value).lower() not in _TRUE_OR_FALSE:
                raise ValueError(value)
            return value
        case "json":
            read = read_json(value) if isinstance(value, str) else value
            if not isinstance(read, dict | list):
                raise TypeError(value)
            return read
        case "comma_delimited_list":
            if isinstance(value, dict):
                raise TypeError(value)
            return value if isinstance(value, list) else [p.strip() for p in str(value).split(",")]
        case "string":
            if isinstance(value, dict | list):
                raise TypeError(value)
            return str(value)
        case _:
            return value


def _broken(value: Any, kind: str, rule: Mapping[str, Any]) -> Iterator[str]:
    if kind == "boolean":
        return
    if isinstance(length := rule.get("length"), dict) and isinstance(value, str | list | dict):
        yield from _outside(len(value), length, "its length ")
    if isinstance(limits := rule.get("range"), dict) and isinstance(value, int | float):
        yield from _outside(value, limits, "")
    allowed = rule.get("allowed_values")
    if isinstance(allowed, list):
        known = {str(one) for one in allowed}
        if any(str(one) not in known for one in (value if isinstance(value, list) else [value])):
            yield f"is none of the allowed values: {', '.join(map(str, allowed))}"
    if isinstance(pattern := rule.get("allowed_pattern"), str) and isinstance(value, str):
        try:
            found = re.match(pattern, value)
        except re.error:
            return
        if found is None or found.end() != len(value):
            yield f"does not match the pattern {pattern}"
    if isinstance(modulo := rule.get("modulo"), dict) and isinstance(value, int):
        step, offset = modulo.get("step"), modulo.get("offset")
        if isinstance(step, int) and isinstance(offset, int) and step and value % step != offset:
            yield f"is not {offset} modulo {step}"


def _outside(found: float, limits: Mapping[str, Any], what: str) -> Iterator[str]:
    least, most = limits.get("min"), limits.get("max")
    if isinstance(least, int | float) and found < least:
        yield (
            f"is too small: {what}is {found}, and at least {least} is wanted"
            if what
            else (f"is less than {least}")
        )
    if isinstance(most, int | float) and found > most:
        yield (
            f"is too large: {what}is {found}, and at most {most} is wanted"
            if what
            else (f"is more than {most}")
        )


def _shown(value: object, declared: Mapping[str, Any]) -> str:
    hidden = str(declared.get("hidden", "")).lower() == "true"
    return "its value" if hidden else f'"{value}"'
