"""Validates a document: makes it a value of the model, or lists all that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from infraci.model.document import Document
from infraci.model.fields import described
from infraci.model.nodes import Key
from infraci.model.problem import Problem, near, quoted

T = TypeVar("T")

_EXPECTED = {
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Generic[T]):
    """A value, or the reasons why there is none."""

    value: T | None
    problems: tuple[Problem, ...]


def validate(document: Document, into: type[T], *, root: Path | None = None) -> Validated[T]:
    """Make a value of that class of a document; its paths must exist in the tree at the root."""
    if document.root is None:
        return Validated(value=None, problems=document.problems)
    try:
        value = TypeAdapter(into).validate_python(document.root.data(), context=root)
    except ValidationError as error:
        details = [detail for detail in error.errors(include_url=False) if not _follows(detail)]
        reported = [_problem(detail, document, into) for detail in details]
        known = {(problem.line, problem.column) for problem in document.problems}
        more = (problem for problem in reported if (problem.line, problem.column) not in known)
        return Validated(value=None, problems=(*document.problems, *more))
    return Validated(value=None if document.problems else value, problems=document.problems)


def _follows(detail: ErrorDetails) -> bool:
    """Whether the error only follows from one that is reported below it."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _problem(detail: ErrorDetails, document: Document, into: type) -> Problem:
    context = detail.get("ctx", {})
    path: tuple[Key, ...] = tuple(step for step in detail["loc"] if step != "[key]")
    at_key = detail["loc"][-1:] == ("[key]",)
    message, expected, suggestion = detail["msg"], context.get("expected"), None
    match detail["type"]:
        case "infraci":
            suggestion = context.get("suggestion")
            if at := context.get("at"):
                path, at_key = (*path, at), True
        case "unexpected_keyword_argument":
            at_key = True
            keys = known_keys(into, path[:-1])
            suggestion = near(str(path[-1]), keys)
            message = "unknown key" if suggestion else f"unknown key; expected {quoted(keys)}"
            expected = quoted(keys)
        case "missing":
            message = "the required key is missing"
        case "too_short":
            expected = "at least one"
            message = f"expected at least one, found {described(detail['input'])}"
            if path in {("specs",), ("serverspec",)}:
                message = "a pipeline without specs proves nothing"
        case kind if kind in _EXPECTED:
            expected = _EXPECTED[kind]
            message = f"expected {expected}, found {described(detail['input'])}"
            if expected == "a list" and isinstance(detail["input"], str):
                suggestion = f"[{detail['input']}]"
        case _:
            message = f"{message[:1].lower()}{message[1:]}, found {described(detail['input'])}"
    line, column = document.position(path, key=at_key)
    return Problem(
        file=document.file,
        line=line,
        column=column,
        key_path=key_path(path),
        message=message,
        expected=expected,
        suggestion=suggestion,
    )


def key_path(path: Sequence[Key]) -> str:
    """A path as people write it: ``configure[1].script.timeout``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and all(c.isalnum() or c in "_-" for c in step):
            text += f".{step}" if text else step
        else:
            text += f"[{described(step)}]"
    return text


def known_keys(into: Any, path: Sequence[Key]) -> list[str]:
    """The keys that the mapping at that path may have, in the model's order."""
    annotation = into
    for step in path:
        annotation = _inner(annotation, step)
    annotation = _bare(annotation)
    return list(_fields(annotation)) if is_dataclass(annotation) else []


def _inner(annotation: Any, step: Key) -> Any:
    """The type of what is at that key or index."""
    bare = _bare(annotation)
    if is_dataclass(bare):
        return _fields(bare).get(str(step))
    if get_origin(bare) in {Union, UnionType}:
        for choice in get_args(bare):
            if any(isinstance(m, Tag) and m.tag == step for m in get_args(choice)[1:]):
                return choice
        return None
    arguments = get_args(bare)
    if not arguments:
        return None
    return arguments[1] if get_origin(bare) is not tuple and len(arguments) > 1 else arguments[0]


def _bare(annotation: Any) -> Any:
    """The annotation's type, without metadata and without ``| None``."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    choices = [choice for choice in get_args(annotation) if choice is not NoneType]
    if get_origin(annotation) is UnionType and len(choices) == 1:
        return _bare(choices[0])
    return annotation


def _fields(section: Any) -> Mapping[str, Any]:
    hints = get_type_hints(section, include_extras=True)
    return {_alias(hints[field.name]) or field.name: hints[field.name] for field in fields(section)}


def _alias(annotation: Any) -> str | None:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((m.alias for m in metadata if isinstance(m, FieldInfo) and m.alias), None)
