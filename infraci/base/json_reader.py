"""Reads JSON that others have written: a record, a note, a request's body, a server's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

#: Deeper values would end functions that call themselves for each level.
_DEEPEST = 100


def read_json(content: str | bytes) -> Any:
    """The value in a text, in UTF-8 if it is bytes. Raises ValueError, with a reason of one line.

    Infinity and NaN are refused, which are no JSON, as are numbers of thousands of digits.
    """
    try:
        value = json.loads(content, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not JSON from {where} on: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON: it is not UTF-8") from error
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels") from error
    if _is_deep(value):
        raise ValueError(f"it is nested deeper than {_DEEPEST} levels")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"not JSON: it holds {constant}")


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return False
    return True


def _within(value: object) -> list[object]:
    """The lists and mappings in a value."""
    if isinstance(value, Mapping):
        value = list(value.values())
    inner = value if isinstance(value, list) else []
    return [item for item in inner if isinstance(item, Mapping | list)]
