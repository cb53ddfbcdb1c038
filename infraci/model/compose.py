"""Reads a YAML text into nodes by YAML 1.2's core schema, and refuses misleading forms.

Only pipelines and projects are read so, since their format is ours; templates and environments are
read by PyYAML (:mod:`infraci.templates.places`), since Heat will read them with it, as YAML 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import yaml

from infraci.model.nodes import Node, Plain
from infraci.model.problem import Problem
from infraci.model.yaml_error import describe

MAX_DEPTH = 32
MAX_VALUES = 20_000  # with every alias expanded

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_TRUE = re.compile(r"(?:true|True|TRUE)\Z")
_FALSE = re.compile(r"(?:false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40})\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,5})?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_TAGS = "tag:yaml.org,2002:"


class UnreadableError(Exception):
    """A text that is no YAML, or has a form that is refused."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _Open:
    """A collection being read; for a mapping, with the key whose value comes next."""

    node: Node
    anchor: str | None
    key: tuple[str, int, int] | None = None


class Composer:
    """Makes nodes of YAML events without recursion, so that no input can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchored value is still open
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self, text: str) -> Node:
        """The root of a text. Raises UnreadableError; lesser problems are in ``problems``."""
        for event in self._events(text):
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        self._refuse(event, "a second document begins; a file holds one")
                case yaml.AliasEvent():
                    self._attach(self._alias(event), event)
                case yaml.ScalarEvent():
                    node = self._scalar(event)
                    if event.anchor:
                        self._anchors[event.anchor] = node
                    self._attach(node, event)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._begin(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    closed = self._open.pop()
                    if closed.anchor:
                        self._anchors[closed.anchor] = closed.node
                    self._attach(closed.node, event)
                case _:
                    pass
        if self._root is None:
            raise UnreadableError(
                Problem(file=self.file, line=1, column=1, message="the file is empty")
            )
        return self._root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise UnreadableError(describe(error, text, self.file)) from error

    def _begin(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, "!", _TAGS + ("map" if is_mapping else "seq")}:
            self._report_tag(event)
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if self._open and isinstance(self._open[-1].node.value, dict) and not self._open[-1].key:
            kind = "a mapping" if is_mapping else "a list"
            self._refuse(event, f"expected a key, found {kind}; quote a value that begins so")
        line, column = _position(event)
        node = Node({} if is_mapping else [], line, column)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Open(node, event.anchor))

    def _attach(self, node: Node, event: yaml.Event) -> None:
        if not self._open:
            self._root = node
            return
        frame = self._open[-1]
        if isinstance(frame.node.value, dict) and frame.key is None:
            frame.key = self._key(node, event)
            return
        frame.node.size += node.size
        frame.node.depth = max(frame.node.depth, node.depth + 1)
        if frame.node.size > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES} values, with aliases expanded")
        if frame.node.depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels, with aliases expanded")
        if isinstance(frame.node.value, list):
            frame.node.value.append(node)
        elif isinstance(frame.node.value, dict) and frame.key is not None:
            name, line, column = frame.key
            frame.key = None
            if name in frame.node.value:
                first = frame.node.keys[name][0]
                message = f'the key "{name}" is there already, in line {first}'
                self._report(line, column, message)
                return
            frame.node.value[name] = node
            frame.node.keys[name] = (line, column)

    def _key(self, node: Node, event: yaml.Event) -> tuple[str, int, int]:
        line, column = _position(event)
        if isinstance(node.value, str):
            name = node.value
        elif isinstance(node.value, Plain) and node.value.value is not None:
            name = node.value.text
        else:
            self._refuse(event, "expected a key, found nothing")
        if name == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            self._report(line, column, 'merge keys ("<<") are not part of YAML 1.2')
        return name, line, column

    def _alias(self, event: yaml.AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            self._refuse(event, f'no anchor "&{event.anchor}" before this alias')
        node = self._anchors[event.anchor]
        if node is None:
            self._refuse(event, f'the value of "&{event.anchor}" contains itself')
        return node

    def _scalar(self, event: yaml.ScalarEvent) -> Node:
        line, column = _position(event)
        text = event.value
        if event.tag is None:
            return Node(resolve(text) if event.implicit[0] else text, line, column)
        if event.tag in {"!", _TAGS + "str"}:
            return Node(text, line, column)
        value = resolve(text)
        names = {bool: "bool", int: "int", float: "float", type(None): "null"}
        if not isinstance(value, Plain) or event.tag != _TAGS + names[type(value.value)]:
            self._report_tag(event)
        return Node(value, line, column)

    def _report_tag(self, event: yaml.Event) -> None:
        tag = str(getattr(event, "tag", "")).replace(_TAGS, "!!")
        self._report(*_position(event), f'the tag "{tag}" is not known here')

    def _report(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(file=self.file, line=line, column=column, message=message))

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        line, column = _position(event)
        raise UnreadableError(Problem(file=self.file, line=line, column=column, message=message))


def resolve(text: str) -> Plain | str:
    """An unquoted scalar by the rules of YAML 1.2's core schema (chapter 10.3.2)."""
    if _NULL.match(text):
        return Plain(text, None)
    if _TRUE.match(text) or _FALSE.match(text):
        return Plain(text, bool(_TRUE.match(text)))
    if _INT.match(text):
        return Plain(text, int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)))
    if _FLOAT.match(text):
        special = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        return Plain(text, float(special))
    return text


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
