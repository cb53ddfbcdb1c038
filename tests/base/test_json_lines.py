"""Messages over a socket pair."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from infraci.base.json_lines import JsonLines


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_messages_arrive_in_order(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = map(JsonLines, ends)
    assert ours.send("started", "a\nb \udcff")
    assert ours.send("finished", None)
    assert theirs.receive() == ("started", "a\nb \udcff")
    assert theirs.has_news
    assert theirs.receive() == ("finished", None)
    assert not theirs.has_news


def test_a_message_larger_than_the_socket(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = map(JsonLines, ends)
    text = "x" * (3 << 20)
    sender = threading.Thread(target=ours.send, args=("text", text))
    sender.start()
    assert theirs.receive() == ("text", text)
    sender.join(30)


def test_an_end_that_is_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = map(JsonLines, ends)
    ours.send("last", 1)
    ours.shut_down()
    assert theirs.receive() == ("last", 1)
    assert theirs.receive() is None
    assert theirs.send("still", 2)
    assert ours.receive() == ("still", 2)
    theirs.close()
    assert ours.receive() is None
    assert not ours.send("more", 3)


def test_a_limit_of_time(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    line = JsonLines(ours)
    theirs.sendall(b'{"half": ')
    with pytest.raises(TimeoutError):
        line.receive(timeout_s=0.01)
    theirs.sendall(b"1}\n")
    assert line.receive(timeout_s=30) == ("half", 1)


@pytest.mark.parametrize(
    "line", [b"", b"hello", b"[]", b"{}", b'{"a": 1, "b": 2}', b'"a"', b"[" * 200, b'{"a": NaN}']
)
def test_what_is_no_message(line: bytes, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(line + b"\n")
    with pytest.raises(ValueError, match=r"^\S"):
        JsonLines(ours).receive()
