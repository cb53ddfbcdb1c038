"""Records: the frozen values that the store keeps, and the JSON text of each in its database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, partial
from types import UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints


def new_id() -> str:
    """A fresh UUID, as OpenStack writes them."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something of a kind that the store keeps by its id."""

    kind: ClassVar[str]

    id: str = field(default_factory=new_id)


AnyRecord = TypeVar("AnyRecord", bound=Record)
_Dataclass = TypeVar("_Dataclass")


def stored_as(key: str) -> Mapping[str, str]:
    """The metadata of a field that has another name in the database."""
    return {"stored_as": key}


def encode(record: Record) -> str:
    """The text of a record."""
    return json.dumps(_to_json(record))


def decode(kind: type[AnyRecord], text: str) -> AnyRecord:
    """The record of a text; another build may have written it, with more fields or fewer."""
    return _from_json(kind, json.loads(text))


def _to_json(value: object) -> object:
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if is_dataclass(value):
        return {key: _to_json(getattr(value, name)) for name, key, _ in _columns(type(value))}
    return value


def _from_json(kind: type[_Dataclass], value: Mapping[str, Any]) -> _Dataclass:
    return kind(
        **{name: convert(value[key]) for name, key, convert in _columns(kind) if key in value}
    )


def _read_columns(kind: Any) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    """The fields of a dataclass: each one's name, name in the database, and converter."""
    hints = get_type_hints(kind)
    return tuple(
        (f.name, f.metadata.get("stored_as", f.name), _converter(hints[f.name]))
        for f in fields(kind)
    )


_columns: Callable[[Any], tuple[tuple[str, str, Callable[[Any], Any]], ...]] = cache(_read_columns)


def _converter(hint: Any) -> Callable[[Any], Any]:
    """What makes a value of that type of what JSON has for it."""
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(_from_json, hint)
    if get_origin(hint) is tuple:
        return partial(_to_tuple, _converter(get_args(hint)[0]))
    if isinstance(hint, UnionType):
        return partial(_to_optional, _converter(get_args(hint)[0]))
    return _unchanged


def _to_tuple(convert: Callable[[Any], Any], values: Any) -> tuple[Any, ...]:
    return tuple(convert(value) for value in values or ())


def _to_optional(convert: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else convert(value)


def _unchanged(value: Any) -> Any:
    return value
