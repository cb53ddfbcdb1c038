"""A command with this process's own input and output."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from infraci.errors import UnreachableError
from infraci.ssh import Session, attach


@pytest.fixture
def output_path(tmp_path: Path) -> Path:
    return tmp_path / "stdin"


def run(
    session: Session, command: str, stdin: bytes, output_path: Path
) -> tuple[int, bytes, bytes]:
    output_path.write_bytes(stdin)
    out, err = io.BytesIO(), io.BytesIO()
    with output_path.open("rb") as file:
        status = attach(session, command, stdin=file, stdout=out, stderr=err)
    return status, out.getvalue(), err.getvalue()


def test_what_goes_in_and_comes_out(session: Session, output_path: Path) -> None:
    command = "cat; echo err >&2; exit 3"
    assert run(session, command, b"in\xff", output_path) == (3, b"in\xff", b"err\n")
    assert attach(session, "cat", stdin=None, stdout=io.BytesIO(), stderr=io.BytesIO()) == 0


def test_much_goes_in_while_much_comes_out(session: Session, output_path: Path) -> None:
    content = os.urandom(1 << 20) * 8
    status, out, err = run(session, "tee /dev/stderr", content, output_path)
    assert (status, out == content, err == content) == (0, True, True)


def test_input_that_is_never_read(session: Session, output_path: Path) -> None:
    assert run(session, "exec <&-; echo done", b"x" * (8 << 20), output_path) == (0, b"done\n", b"")


def test_output_comes_while_input_is_awaited(session: Session) -> None:
    """As in a terminal: the answer to one line decides what the next is."""
    reader, writer = os.pipe()
    replies, sink = os.pipe()

    def talk() -> None:
        with os.fdopen(replies, "rb") as output, os.fdopen(writer, "wb", buffering=0) as keyboard:
            for _ in range(3):
                keyboard.write(b"again\n")
                assert output.readline() == b"again\n"

    talking = threading.Thread(target=talk)
    talking.start()
    with os.fdopen(reader, "rb") as stdin, os.fdopen(sink, "wb") as stdout:
        assert attach(session, "cat", stdin=stdin, stdout=stdout, stderr=io.BytesIO()) == 0
    talking.join()


def test_output_that_nobody_takes(session: Session) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError), os.fdopen(writer, "wb", buffering=0) as stdout:
        attach(session, "yes", stdin=None, stdout=stdout, stderr=io.BytesIO())
    assert session.run("echo there", timeout_s=10).stdout == "there\n"


def test_the_connection_is_lost(session: Session, output_path: Path) -> None:
    with pytest.raises(UnreachableError, match="the connection was lost in"):
        run(
            session,
            "kill -9 $(awk '/^PPid/ {print $2}' /proc/$PPID/status); sleep 600",
            b"",
            output_path,
        )
