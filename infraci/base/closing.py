"""What a ``with`` statement closes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Something that is open; the end of a ``with`` statement closes it, after an error too."""

    @abstractmethod
    def close(self) -> object:
        """End the use of it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
