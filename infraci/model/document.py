"""A YAML file as plain data that knows the line and column of each value.

The scalars are those of YAML 1.2's core schema, so ``yes``, ``on``, ``1:30`` and ``0o17``'s old
spelling ``017`` bring no surprises, and a number or boolean keeps its text (``1.10`` stays ``1.10``
where a field is text). Forms that could mislead a reader are refused:
duplicate keys, merge keys, tags, a second document, aliases that multiply.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infraci.errors import raise_of_machine
from infraci.model.compose import Composer, UnreadableError
from infraci.model.nodes import Key, Node
from infraci.model.problem import Problem

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file, read. Without a root it could not be read at all; the problems say why."""

    file: str
    root: Node | None
    problems: tuple[Problem, ...] = ()

    def position(self, path: Sequence[Key], *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at that path, or of its key.

        If the path leads to nothing, the key of the nearest mapping or list around it, or the text
        there, which a short form has in place of a mapping.
        """
        node, position = self.root, (1, 1)
        for index, step in enumerate(path):
            if node is None:
                return position
            child, key_place = _child(node, step)
            if child is None:
                return (node.line, node.column) if node.is_text() else position
            position = key_place or (child.line, child.column)
            if index == len(path) - 1 and not key:
                position = (child.line, child.column)
            node = child
        return position


def read_document(path: Path, *, file: str) -> Document:
    """Read a file that messages call by the given name."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise_of_machine(error)
        reason = f"cannot be read: {error.strerror or error}"
        return Document(file=file, root=None, problems=(Problem(file=file, message=reason),))
    if size > MAX_BYTES:
        reason = f"{size // 1024} KiB is more than the {MAX_BYTES // 1024} KiB that are read"
        return Document(file=file, root=None, problems=(Problem(file=file, message=reason),))
    return parse_document(content, file=file)


def parse_document(content: bytes, *, file: str) -> Document:
    """Parse a file's content; never raises."""
    composer = Composer(file)
    try:
        root = composer.compose(_decode(content, file))
    except UnreadableError as error:
        return Document(file=file, root=None, problems=(*composer.problems, error.problem))
    return Document(file=file, root=root, problems=tuple(composer.problems))


def _decode(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise UnreadableError(
            Problem(file=file, line=line, column=column, message="not UTF-8 text")
        ) from error


def _child(node: Node, step: Key) -> tuple[Node | None, tuple[int, int] | None]:
    if isinstance(node.value, dict) and step in node.value:
        return node.value[str(step)], node.keys[str(step)]
    if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
        return node.value[step], None
    return None, None
