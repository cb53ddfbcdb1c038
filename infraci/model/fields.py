"""The types of single values in infraci's files: text, durations, paths, roles, choices.

The validator of each type takes :mod:`infraci.model.nodes` and raises :func:`unexpected`, which
names the expected form; the JSON Schema has the same. Paths are checked against the tree that is
the validation's context.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, cast

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from infraci.model.nodes import Data, Plain, plain
from infraci.model.paths import PathKind, PathProblem, check_path
from infraci.model.problem import near, quoted

MAX_DURATION_S = 7 * 24 * 3600
EVERY_SERVER = "all"
#: In `specs`, the name of what tests the stack itself, not one of its servers.
THE_STACK = "stack"

_UNITS_S = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?\Z", re.ASCII
)
_DURATION_PATTERN = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+(\.[0-9]+)?s?)?$"
_DURATION_WANTED = 'a duration such as 90, "90s", "10m" or "1h30m"'
_ROLE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"
_USER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"
_HOST_KEY_PATTERN = r"^(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA[0-9A-Za-z+/]+={0,2}$"
_VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"


def unexpected(
    expected: str, value: object, *, suggestion: str | None = None, at: str | None = None
) -> PydanticCustomError:
    """The error of a validator that found another value (under the key ``at``) than expected."""
    message = f"expected {expected}, found {described(value)}"
    context = {"message": message, "expected": expected, "suggestion": suggestion, "at": at}
    return PydanticCustomError("infraci", "{message}", context)


def described(value: object) -> str:
    """A value as a message shows it."""
    if isinstance(value, Plain):
        kind = "the number " if isinstance(value.value, int | float) else ""
        kind = "" if isinstance(value.value, bool) else kind
        return "nothing" if value.value is None else f"{kind}{value.text}"
    if isinstance(value, str):
        shown = value if len(value) <= 60 else value[:57] + "…"
        return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in shown) + '"'
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    return repr(value)


def read_text(value: object) -> str:
    """Text; of a number or boolean the text in the file."""
    if isinstance(value, Plain) and value.value is not None:
        value = value.text
    if not isinstance(value, str):
        raise unexpected("text", value)
    if "\0" in value:
        raise unexpected("text without NUL characters", value)
    return value


def parse_duration(value: object) -> float:
    """Seconds: a number of them, or text such as ``90s``, ``10m``, ``1h30m``, ``2d``."""
    seconds: float | None = None
    if isinstance(value, Plain) and not isinstance(value.value, bool):
        seconds = value.value
    elif isinstance(value, str) and value and (parts := _DURATION.match(value)):
        pairs = zip(parts.groups(), _UNITS_S.values(), strict=True)
        seconds = sum(float(count) * unit for count, unit in pairs if count)
    elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        seconds = float(value)
    if seconds is None or math.isnan(seconds):
        raise unexpected(_DURATION_WANTED, value, suggestion=_meant_duration(value))
    if not 0 < seconds <= MAX_DURATION_S:
        raise unexpected("a duration of more than nothing and at most 7 days", value)
    return float(seconds)


def _meant_duration(value: object) -> str | None:
    """The duration that ``10 minutes``, ``1:30`` or ``10M`` stands for, in the file's form."""
    if not isinstance(value, str):
        return None
    if clock := re.fullmatch(r"(\d{1,3}):(\d\d)(?::(\d\d))?", value, re.ASCII):
        first, second, third = clock.groups()
        return f"{first}h{second}m{third}s" if third else f"{first}m{second}s"
    words = re.sub(r"(?<=[a-z])[a-z]+|[\s,]|and", "", value.casefold())
    return words if words != value and _DURATION.match(words) and words else None


def _read_flag(value: object) -> bool:
    if isinstance(value, Plain) and isinstance(value.value, bool):
        return value.value
    if isinstance(value, str) and value in {"true", "false"}:
        raise unexpected("true or false, without quotes", value)
    words = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    meant = words.get(value.casefold()) if isinstance(value, str) else None
    raise unexpected("true or false", value, suggestion=meant)


def _read_parameter(value: object) -> object:
    """A Heat parameter's value: scalars as text, lists and mappings as JSON."""
    if isinstance(value, list | dict):
        return _json(plain(value))
    if isinstance(value, Plain) and value.value is None:
        raise unexpected("a value", value)
    return read_text(value)


def _read_json(value: object) -> object:
    """A value of any type that YAML has."""
    return _json(plain(cast(Data, value)))


def _json(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise unexpected("a value that JSON can hold", str(value))
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for child in cast(Iterable[object], children):
            _json(child)
    return value


def _matching(pattern: str, expected: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = read_text(value)
        if not re.match(pattern, text) or text.endswith("\n"):
            raise unexpected(expected, text)
        return text

    return read


def _read_declared_role(value: object) -> str:
    if value == EVERY_SERVER:
        raise unexpected('another name ("all" stands for every server)', value)
    return _matching(_ROLE_PATTERN, "a role's name")(value)


def _read_port(value: object) -> int:
    number = value.value if isinstance(value, Plain) else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 65536:
        raise unexpected("a port's number", value)
    return number


def choice(enum: type[StrEnum]) -> Callable[[object], StrEnum]:
    """A validator for one of an enumeration's values."""
    values = [str(member) for member in enum]

    def read(value: object) -> StrEnum:
        if isinstance(value, str) and value in values:
            return enum(value)
        text = value if isinstance(value, str) else ""
        raise unexpected(quoted(values), value, suggestion=near(text, values))

    return read


def path_in_tree(kind: PathKind) -> BeforeValidator:
    """A validator for a path that must exist in the tree given as the validation's context."""

    def read(value: object, info: ValidationInfo) -> PurePosixPath:
        expected = f"the path of {kind}"
        if not isinstance(value, str) or not value or "\0" in value:
            raise unexpected(expected, value)
        root = info.context if isinstance(info.context, Path) else None
        result = check_path(value, root=root, kind=kind)
        if isinstance(result, PathProblem):
            context = {
                "message": result.message,
                "expected": expected,
                "suggestion": result.suggestion,
            }
            raise PydanticCustomError("infraci", "{message}", context)
        return result

    return BeforeValidator(read)


_SCALAR = {"type": ["string", "number", "boolean"]}
_PATH = WithJsonSchema({"type": "string", "minLength": 1})

USER_SCHEMA = WithJsonSchema({"type": "string", "pattern": _USER_PATTERN})

Text = Annotated[str, BeforeValidator(read_text), WithJsonSchema(_SCALAR)]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_DURATION_S},
                {"type": "string", "pattern": _DURATION_PATTERN},
            ]
        }
    ),
]
ParameterValue = Annotated[
    object,
    BeforeValidator(_read_parameter),
    WithJsonSchema({"type": ["string", "number", "boolean", "array", "object"]}),
]
JsonValue = Annotated[object, BeforeValidator(_read_json)]
RoleName = Annotated[
    str,
    BeforeValidator(_matching(_ROLE_PATTERN, "a role's name (letters, digits, _ . -)")),
    WithJsonSchema({"type": ["string", "number", "boolean"], "pattern": _ROLE_PATTERN}),
]
DeclaredRole = Annotated[
    str,
    BeforeValidator(_read_declared_role),
    WithJsonSchema({"type": "string", "pattern": f"^(?!{EVERY_SERVER}$){_ROLE_PATTERN[1:]}"}),
]
UserName = Annotated[
    str,
    BeforeValidator(_matching(_USER_PATTERN, "a user's name")),
    USER_SCHEMA,
]
HostKey = Annotated[
    str,
    BeforeValidator(_matching(_HOST_KEY_PATTERN, 'a host key such as "ssh-ed25519 AAAA…"')),
    WithJsonSchema({"type": "string", "pattern": _HOST_KEY_PATTERN}),
]
Port = Annotated[
    int,
    BeforeValidator(_read_port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
]
read_variable_name = _matching(_VARIABLE_PATTERN, "a variable's name (letters, digits, _)")
VariableName = Annotated[
    str,
    BeforeValidator(read_variable_name),
    WithJsonSchema({"type": "string", "pattern": _VARIABLE_PATTERN}),
]
FilePath = Annotated[PurePosixPath, path_in_tree(PathKind.FILE), _PATH]
FolderPath = Annotated[PurePosixPath, path_in_tree(PathKind.FOLDER), _PATH]
AnyPath = Annotated[PurePosixPath, path_in_tree(PathKind.ANY), _PATH]
SpecPath = Annotated[PurePosixPath, path_in_tree(PathKind.SPECS), _PATH]
ServerspecPath = Annotated[PurePosixPath, path_in_tree(PathKind.SERVERSPECS), _PATH]
