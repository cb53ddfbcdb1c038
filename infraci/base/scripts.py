"""Checks the scripts of a commit before they are sent to a server."""

from __future__ import annotations

from pathlib import Path

from infraci.errors import raise_of_machine


def check_script(path: Path) -> str | None:
    """Say why the script at ``path`` could not be run anywhere; None when nothing is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise_of_machine(error)
        return error.strerror or str(error)
    return find_flaw(content)


def find_flaw(content: bytes) -> str | None:
    """Say why a script with this content could not be run; None when nothing is wrong."""
    first, _, _ = content.partition(b"\n")
    if not content.strip():
        return "it is empty"
    if content.startswith(b"\xef\xbb\xbf"):
        return "it begins with a byte order mark, so that its first line is not seen"
    if b"\r\n" in content:
        return "its lines end as on Windows (CRLF), which its interpreter takes for commands"
    if not first.startswith(b"#!"):
        return "its first line names no interpreter (such as #!/bin/sh)"
    interpreter = first[2:].split()
    if not interpreter or not interpreter[0].startswith(b"/"):
        return "its first line names no interpreter by its absolute path (such as #!/bin/sh)"
    return None
