"""Servers ask this machine at sockets of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from infraci.local.host.server_sockets import ServerSockets


@pytest.fixture
def sockets() -> Iterator[ServerSockets]:
    sockets = ServerSockets()
    sockets.answer = lambda server_id, request: {"server": server_id, "request": str(request)}
    yield sockets
    for name in ("a", "b"):
        sockets.close(name)


def ask(folder: Path, request: bytes) -> Mapping[str, str]:
    """Send a request; returns the answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(folder / "socket"))
        connection.sendall(request)
        answer: Mapping[str, str] = json.loads(connection.makefile().readline())
        return answer


def test_the_socket_says_which_server_asks(sockets: ServerSockets, tmp_path: Path) -> None:
    for name in ("a", "b"):
        sockets.open(name, tmp_path / name)
    assert ask(tmp_path / "b", b'"x"\n') == {"server": "b", "request": "x"}
    assert ask(tmp_path / "a", b"[1]\n") == {"server": "a", "request": "[1]"}
    assert (tmp_path / "a" / "socket").stat().st_mode & 0o777 == 0o600


def test_a_long_path_is_no_obstacle(sockets: ServerSockets, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    sockets.open("a", folder)
    (tmp_path / "short").symlink_to(folder)
    assert ask(tmp_path / "short", b"1\n")["server"] == "a"


@pytest.mark.parametrize("request_", [b"{\n", b"\xff\n", b"[" * 1000 + b"\n", b"NaN\n"])
def test_nonsense_is_refused(sockets: ServerSockets, tmp_path: Path, request_: bytes) -> None:
    sockets.open("a", tmp_path)
    assert "error" in ask(tmp_path, request_)
    assert ask(tmp_path, b"1\n")["server"] == "a"


def test_an_answer_that_fails_ends_no_other(sockets: ServerSockets, tmp_path: Path) -> None:
    def fail(server_id: str, request: object) -> Mapping[str, str]:
        raise KeyError(server_id)

    sockets.answer = fail
    sockets.open("a", tmp_path)
    for _ in range(2):
        assert ask(tmp_path, b"1\n") == {"error": "the embedded cloud failed, see its log"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_alone_may_ask(sockets: ServerSockets, tmp_path: Path) -> None:
    """The socket's mode is changed here, so that the other user gets so far."""
    sockets.open("a", tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / "socket").chmod(0o666)
    script = (
        "import os, socket, sys; os.chdir(sys.argv[1]); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.connect('socket'); s.sendall(b'1\\n')\n"
        "print(s.makefile().readline())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"error": "must be superuser"}


def test_a_closed_socket_has_no_thread(sockets: ServerSockets, tmp_path: Path) -> None:
    sockets.open("a", tmp_path)
    sockets.open("a", tmp_path)
    threads = [each for each in threading.enumerate() if each.name == "asks-a"]
    assert len(threads) == 1
    sockets.close("a")
    sockets.close("a")
    threads[0].join(timeout=10)
    assert not threads[0].is_alive()
    sockets.open("a", tmp_path)
    assert ask(tmp_path, b"1\n")["server"] == "a"
