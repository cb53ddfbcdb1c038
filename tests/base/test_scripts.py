"""What is wrong with a script is found without running it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infraci.base.scripts import check_script


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"#!/bin/sh\necho fine\n", None),
        (b"#!/usr/bin/env -S python3 -u\n", None),
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"echo no interpreter\n", "names no interpreter"),
        (b"#!sh\n", "absolute path"),
        (b"#!\n", "absolute path"),
        (b"#!/bin/sh\r\necho\r\n", "CRLF"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"),
    ],
)
def test_check_script(tmp_path: Path, content: bytes, flaw: str | None) -> None:
    path = tmp_path / "script"
    path.write_bytes(content)
    path.chmod(stat.S_IRUSR)  # the mode in the tree does not matter
    reason = check_script(path)
    assert reason is None if flaw is None else flaw in (reason or "")
    assert "No such file" in (check_script(tmp_path / "none") or "")
