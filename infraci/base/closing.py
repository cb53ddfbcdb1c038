"""A base class for objects that a ``with`` statement closes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """An open object; the end of a ``with`` statement closes it, after an error too."""

    @abstractmethod
    def close(self) -> object:
        """Release what the object holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
