"""A file's content as Heat takes it, from the tree or from the web."""

from __future__ import annotations

import base64

from infraci.model.paths import PathProblem

_TIMEOUT_S = 30.0
_MAX_BYTES = 16 << 20


def is_text(content: bytes) -> bool:
    """Whether Heat's clients send it as it is."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def as_text(content: bytes) -> str:
    """The text; what is no text in base64, as Heat's own clients do."""
    return content.decode("utf-8") if is_text(content) else as_base64(content)


def as_base64(content: bytes) -> str:
    """Bytes as Heat's own clients send them."""
    return base64.encodebytes(content).decode("ascii")


def fetch(url: str) -> bytes | PathProblem:
    """What a URL leads to; or why that cannot be had."""
    import requests

    try:
        with requests.get(url, timeout=_TIMEOUT_S, stream=True) as response:
            response.raise_for_status()
            content = b"".join(response.iter_content(1 << 16))[: _MAX_BYTES + 1]
    except requests.RequestException as error:
        return PathProblem(message=f"cannot be fetched: {error}")
    if len(content) > _MAX_BYTES:
        return PathProblem(message=f"cannot be fetched: more than {_MAX_BYTES >> 20} MiB")
    return content
