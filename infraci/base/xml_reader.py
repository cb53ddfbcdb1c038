"""Reads XML that others have written, such as a build's report."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

#: Reports are never nested so deep, and of their size ours is far below.
_DEEPEST = 100
_MOST_BYTES = 256 << 20


class _RefusedError(ValueError):
    """XML that we do not read."""


class _Builder(ET.TreeBuilder):
    """Builds a tree without a document type, and so without any entities, of a limited depth."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: Any, attrs: Any, /) -> ET.Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _RefusedError(f"it is nested deeper than {_DEEPEST} elements")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> ET.Element:
        self._depth -= 1
        return super().end(tag)

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _RefusedError("it has a document type, which may define entities")


def read_xml(content: bytes) -> ET.Element:
    """The root of a document. Raises ValueError, with a reason of one line, for what is none."""
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    try:
        return ET.fromstring(content, parser=ET.XMLParser(target=_Builder()))  # noqa: S314
    except _RefusedError:
        raise
    except (ET.ParseError, ValueError, LookupError) as error:  # the latter two of encodings
        raise ValueError(f"it is not XML: {error}") from error
