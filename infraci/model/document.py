"""A YAML file as plain data that remembers where every value stands.

The scalars are those of YAML 1.2's core schema, so ``yes``, ``on``, ``1:30`` and ``0o17``'s old
spelling ``017`` bring no surprises, and a number or boolean keeps the text it was written with
(``1.10`` stays ``1.10`` where text is wanted). Anything that could mislead a reader is refused:
duplicate keys, merge keys, tags, a second document, aliases that multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeAlias

import yaml

from infraci.model.problem import Problem
from infraci.model.yaml_trouble import describe

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000  # with every alias expanded

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_TRUE = re.compile(r"(?:true|True|TRUE)\Z")
_FALSE = re.compile(r"(?:false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]{1,40}|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40})\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,5})?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_TAGS = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar that is not text: a number, a boolean or nothing, and how it was written."""

    text: str
    value: bool | int | float | None


Data: TypeAlias = "Plain | str | list[Data] | dict[str, Data]"
Key: TypeAlias = "str | int"


@dataclass(slots=True)
class Node:
    """A value and where it stands; lines and columns are 1-based."""

    value: Plain | str | list[Node] | dict[str, Node]
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)  # where each key stands
    size: int = 1
    depth: int = 1

    def data(self) -> Data:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: child.data() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.data() for child in self.value]
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file, read. Without a root it could not be read at all; the problems say why."""

    file: str
    root: Node | None
    problems: tuple[Problem, ...] = ()

    def place(self, path: Sequence[Key], *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at that path, or of its key.

        Where the path leads to nothing, it is the key of the nearest thing around it.
        """
        node, place = self.root, (1, 1)
        for index, step in enumerate(path):
            if node is None:
                return place
            child, key_place = _child(node, step)
            if child is None:
                return place
            place = key_place or (child.line, child.column)
            if index == len(path) - 1 and not key:
                place = (child.line, child.column)
            node = child
        return place


def plain(data: Data) -> object:
    """The data as a YAML 1.2 reader without any interest in spelling would see it."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value) for value in data]
    return data.value if isinstance(data, Plain) else data


def read_document(path: Path, *, file: str) -> Document:
    """Read a file that messages call by the given name."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Document(file=file, root=None, problems=(Problem(file=file, message=reason),))
    if size > MAX_BYTES:
        reason = f"{size // 1024} KiB is more than the {MAX_BYTES // 1024} KiB that are read"
        return Document(file=file, root=None, problems=(Problem(file=file, message=reason),))
    return parse_document(content, file=file)


def parse_document(content: bytes, *, file: str) -> Document:
    """Parse a file's content; never raises."""
    builder = _Builder(file)
    try:
        root = builder.build(_decode(content, file))
    except _UnreadableError as error:
        return Document(file=file, root=None, problems=(*builder.problems, error.problem))
    return Document(file=file, root=root, problems=tuple(builder.problems))


class _UnreadableError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise _UnreadableError(
            Problem(file=file, line=line, column=column, message="not UTF-8 text")
        ) from error


def _child(node: Node, step: Key) -> tuple[Node | None, tuple[int, int] | None]:
    if isinstance(node.value, dict) and step in node.value:
        return node.value[str(step)], node.keys[str(step)]
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        return node.value[step], None
    return None, None


@dataclass(slots=True)
class _Open:
    """A collection being read; for a mapping, with the key whose value comes next."""

    node: Node
    anchor: str | None
    key: tuple[str, int, int] | None = None


class _Builder:
    """Nodes from YAML events, without recursion, so that no input can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchored value is still open
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node:
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
            raise _UnreadableError(
                Problem(file=self.file, line=1, column=1, message="the file is empty")
            )
        return self._root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise _UnreadableError(describe(error, text, self.file)) from error

    def _begin(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in {None, "!", _TAGS + ("map" if is_mapping else "seq")}:
            self._report_tag(event)
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if self._open and isinstance(self._open[-1].node.value, dict) and not self._open[-1].key:
            found = "a mapping" if is_mapping else "a list"
            self._refuse(event, f"expected a key, found {found}; quote a value that begins so")
        line, column = _place(event)
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
        line, column = _place(event)
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
        line, column = _place(event)
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
        self._report(*_place(event), f'the tag "{tag}" is not known here')

    def _report(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(file=self.file, line=line, column=column, message=message))

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        line, column = _place(event)
        raise _UnreadableError(Problem(file=self.file, line=line, column=column, message=message))


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


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
