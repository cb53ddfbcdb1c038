"""YAML values that remember how and where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


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

    def is_text(self) -> bool:
        """Whether it is a scalar that says something."""
        empty = isinstance(self.value, Plain) and self.value.value is None
        return not empty and not isinstance(self.value, dict | list)


def plain(data: Data) -> object:
    """The data as a YAML 1.2 reader without any interest in spelling would see it."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value) for value in data]
    return data.value if isinstance(data, Plain) else data
