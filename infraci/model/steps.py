"""Reads the forms of a configure step: ``- script: {…}``, ``- script: PATH``, ``- NAME``."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import PydanticCustomError

from infraci.model.fields import unexpected
from infraci.model.nodes import Plain
from infraci.model.problem import near, quoted

#: Every kind of step, and the key for which text stands alone (``- script: PATH``); empty where
#: there is none, and None where the kind itself stands alone (``- cloud-init``).
STEP_KINDS: Mapping[str, str | None] = {
    "cloud-init": None,
    "script": "path",
    "ansible": "playbook",
    "puppet": "manifest",
    "chef": "",
}


def read_step(value: object) -> dict[str, object]:
    """An item of ``configure`` in its one long form: the kind, and a mapping."""
    expected = f"a step ({quoted(list(STEP_KINDS))})"
    if isinstance(value, str):
        if value not in STEP_KINDS:
            raise unexpected(expected, value, suggestion=near(value, STEP_KINDS))
        if STEP_KINDS[value]:
            raise unexpected(f'"{value}: {str(STEP_KINDS[value]).upper()}"', value)
        return {value: {}}
    if not isinstance(value, dict) or not value:
        raise unexpected(expected, value)
    kind = next((key for key in value if key in STEP_KINDS), next(iter(value)))
    if kind not in STEP_KINDS:
        context = {
            "message": f"unknown step; expected {quoted(list(STEP_KINDS))}",
            "expected": expected,
            "suggestion": near(kind, STEP_KINDS),
            "at": kind,
        }
        raise PydanticCustomError("infraci", "{message}", context)
    if others := [key for key in value if key != kind]:
        advice = "begin another item" if others[0] in STEP_KINDS else f'indent it under "{kind}"'
        context = {
            "message": f'"{kind}" and "{others[0]}" in one step; {advice}',
            "expected": "one step an item",
            "at": others[0],
        }
        raise PydanticCustomError("infraci", "{message}", context)
    return {kind: _long_form(kind, value[kind])}


def _long_form(kind: str, body: object) -> object:
    short = STEP_KINDS[kind]
    if isinstance(body, Plain) and body.value is None:
        return {}
    if short and isinstance(body, str | Plain):
        return {short: body}
    return body


def step_kind(value: object) -> str | None:
    """The kind of a step in its long form."""
    return next(iter(value)) if isinstance(value, dict) else None


def step_body(value: object) -> object:
    """What a step in its long form says."""
    return next(iter(value.values())) if isinstance(value, dict) else value
