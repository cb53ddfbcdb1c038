"""Finds the line and column of a key path in the files that a stack is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from infraci.model.problem import Problem

#: Keys of mappings, and positions in lists.
KeyPath = tuple[str | int, ...]

_TREE = "file:///"


@dataclass(slots=True)
class Places:
    """Finds lines in the files under a root; reads each file once."""

    root: Path
    _roots: dict[str, yaml.Node | None] = field(default_factory=dict)

    def node(self, file: str) -> yaml.Node | None:
        """The file's YAML nodes; None if it cannot be read."""
        if file not in self._roots:
            try:
                # An environment of the command line has a full path, to which "/" adds no root.
                self._roots[file] = compose((self.root / file).read_text("utf-8"))
            except (OSError, ValueError, RecursionError, yaml.YAMLError):
                self._roots[file] = None
        return self._roots[file]

    def has(self, file: str, path: Sequence[str | int]) -> bool:
        """Whether the file has this path."""
        return len(self._marks(file, path)) == len(path)

    def problem(
        self, file: str, path: Sequence[str | int], message: str, *, suggestion: str | None = None
    ) -> Problem:
        """Return a problem at a key of a file, or at its nearest enclosing key there."""
        marks = self._marks(file, path)
        nearest = marks[-1] if marks else None
        return Problem(
            file=file,
            line=nearest.line + 1 if nearest else None,
            column=nearest.column + 1 if nearest else None,
            key_path=show_path(path[: len(marks)]),
            message=message,
            suggestion=suggestion,
        )

    def _marks(self, file: str, path: Sequence[str | int]) -> list[yaml.Mark]:
        """Return the positions of a path's keys, up to the first that is not in the file."""
        marks = []
        node = self.node(file)
        for key in path:
            if (child := _child(node, key)) is None:
                break
            mark, node = child
            marks.append(mark)
        return marks


def compose(text: str) -> yaml.Node | None:
    """The text's nodes, as Heat, Ansible and TOSCA's parser see them, who read YAML by PyYAML too.

    Its messages are better than those of libyaml, which is faster. The files whose format is ours
    have a stricter reader (:mod:`infraci.model.compose`).
    """
    try:
        return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def children(root: yaml.Node) -> Iterator[tuple[KeyPath, yaml.Node]]:
    """Every node with its path; a node that aliases share comes once."""
    seen: set[int] = set()
    todo: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while todo:
        path, node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield path, node
        if isinstance(node, yaml.MappingNode):
            todo += [((*path, str(key.value)), value) for key, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            todo += [((*path, n), v) for n, v in reversed(list(enumerate(node.value)))]


def file_of(url: str, template: str) -> str:
    """The file behind a URL of a stack's files; an empty URL stands for the template."""
    return unquote(url.removeprefix(_TREE)) if url else template


def show_path(path: Sequence[str | int]) -> str:
    """``resources.web.properties.networks[0]``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def value_at(data: Any, path: Sequence[str | int]) -> Any:
    """The value at a path; None if there is none."""
    for key in path:
        match data, key:
            case dict(), str() if key in data:
                data = data[key]
            case list(), int() if key < len(data):
                data = data[key]
            case _:
                return None
    return data


def _child(node: yaml.Node | None, key: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    """A key's position and its value; searches merged mappings last."""
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark, node.value[key]
    if not isinstance(node, yaml.MappingNode):
        return None
    merged: list[yaml.Node] = []
    for name, value in reversed(node.value):  # the last one counts
        if name.value == str(key):
            return name.start_mark, value
        if name.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    return next((child for inner in merged if (child := _child(inner, key))), None)
