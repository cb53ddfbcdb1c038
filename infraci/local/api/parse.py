"""Values in requests' bodies, as the values that records and requests of the domain have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from infraci.local.domain.requests import AddressRequest, GatewayRequest
from infraci.local.errors import InvalidRequestError

_Dataclass = TypeVar("_Dataclass")


def text(value: object) -> str:
    """A text."""
    return str(value)


def number(value: object) -> int:
    """A whole number, which a client may send as text."""
    try:
        return int(str(value))
    except ValueError:
        raise InvalidRequestError(f"Invalid input: {value!r} is not a number.") from None


def flag(value: object) -> bool:
    """True or false, which a client may send as text or a number."""
    return str(value).lower() in ("true", "1")


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequestError(f"Invalid input: {value!r} is not a list of texts.")
    return tuple(value)


def objects(kind: type[_Dataclass]) -> Callable[[object], tuple[_Dataclass, ...]]:
    """The parser for a list of objects, whose fields are those of a dataclass and text."""

    def parse(value: object) -> tuple[_Dataclass, ...]:
        if not isinstance(value, list):
            raise InvalidRequestError(f"Invalid input: {value!r} is not a list of objects.")
        return tuple(_to_dataclass(kind, item) for item in value)

    return parse


addresses = objects(AddressRequest)


def gateway(value: object) -> GatewayRequest | None:
    """A router's ``external_gateway_info``; None for an object that names no network."""
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Invalid input: {value!r} is not an object.")
    if not value.get("network_id"):
        return None
    fixed_ips = value.get("external_fixed_ips")
    return GatewayRequest(
        network_id=str(value["network_id"]),
        enable_snat=value.get("enable_snat") is None or flag(value["enable_snat"]),
        addresses=None if fixed_ips is None else addresses(fixed_ips),
    )


def _to_dataclass(kind: type[_Dataclass], value: object) -> _Dataclass:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Invalid input: {value!r} is not an object.")
    known: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        item_value = value.get(field.name)
        if item_value is not None:
            known[field.name] = str(item_value)
        elif field.default is MISSING:
            raise InvalidRequestError(f"Invalid input: {value!r} lacks {field.name!r}.")
    return kind(**known)
