"""What sshd allows at once: sessions of a connection, logins that are under way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.errors import UnreachableError
from infraci.ssh import LoginRefusedError, Session, Shell
from infraci.ssh.connection import DroppedError
from tests.sshd import Sshd, dropping, running_sshd


@contextlib.contextmanager
def limited(folder: Path, *limits: str) -> Iterator[Sshd]:
    with running_sshd(folder / "sshd", "".join(f"{limit}\n" for limit in limits)) as sshd:
        yield sshd


def test_one_session_a_connection(tmp_path: Path) -> None:
    with limited(tmp_path, "MaxSessions 1") as sshd, _open(sshd) as session:
        for number in range(20):
            assert session.run(f"echo {number}", timeout_s=10).stdout == f"{number}\n"
        assert _logins(sshd) == 1
        shell = Shell(session)
        for command in (b"echo one", b"echo 't\nw\no'"):
            assert shell.run(command, timeout_s=10).exit_status == 0
        assert _logins(sshd) == 1
        # While the shell has the session, whoever else needs one gets it by another login.
        assert session.run("echo beside", timeout_s=10).stdout == "beside\n"
        assert shell.run(b"echo still", timeout_s=10).stdout == "still\n"
        assert _logins(sshd) == 2
        shell.close()
        assert session.run("echo again", timeout_s=10).stdout == "again\n"
        assert _logins(sshd) == 2


def test_one_session_a_connection_and_many_at_once(tmp_path: Path) -> None:
    results: dict[int, str] = {}
    with limited(tmp_path, "MaxSessions 1") as sshd, _open(sshd) as session:

        def work(number: int) -> None:
            results[number] = session.run(f"sleep 0.2; echo {number}", timeout_s=30).stdout

        _together([threading.Thread(target=work, args=(number,)) for number in range(6)])
    assert results == {number: f"{number}\n" for number in range(6)}


def test_a_silent_command_in_the_only_session_is_alive(tmp_path: Path) -> None:
    with limited(tmp_path, "MaxSessions 1") as sshd, _open(sshd) as session:
        session.silence_s = session.answer_s = 0.5
        assert session.run("sleep 2; echo there", timeout_s=60).stdout == "there\n"


def test_no_session_at_all(tmp_path: Path) -> None:
    with limited(tmp_path, "MaxSessions 0") as sshd, _open(sshd) as session:
        with pytest.raises(UnreachableError, match="MaxSessions"):
            session.run("true", timeout_s=10)
        with pytest.raises(UnreachableError, match="MaxSessions"):
            Shell(session).run(b"true", timeout_s=10)


def test_one_login_at_a_time(tmp_path: Path) -> None:
    """Others are dropped, as long as one that never logs in has the place."""
    results: list[str] = []
    with limited(tmp_path, "MaxStartups 1:100:1", "LoginGraceTime 2") as sshd:

        def work() -> None:
            with _open(sshd) as session:
                results.append(session.run("echo in", timeout_s=10).stdout)

        with _idle(sshd):
            _together([threading.Thread(target=work) for _ in range(5)])
        log = (sshd.folder / "sshd.log").read_text()
    assert results == ["in\n"] * 5
    assert "MaxStartups" in log


def test_a_server_that_drops_connections_is_tried_again(sshd: Sshd) -> None:
    with dropping(sshd.server.port, drops=3) as port, _open(sshd, port=port) as session:
        assert session.run("echo in", timeout_s=10).stdout == "in\n"


def test_a_server_that_drops_them_for_ever(sshd: Sshd) -> None:
    with (
        dropping(sshd.server.port, drops=1_000_000) as port,
        pytest.raises(DroppedError, match="no SSH server answers"),
    ):
        _open(sshd, port=port, busy_s=0.5)


def test_a_login_that_takes_too_long_is_no_refused_key(tmp_path: Path) -> None:
    """The library calls both a failed authentication."""
    command = ("AuthorizedKeysCommand /usr/bin/sleep 600", "AuthorizedKeysCommandUser root")
    with limited(tmp_path, *command, "LoginGraceTime 1") as sshd:
        sshd.authorize()
        with pytest.raises(DroppedError, match="closed during login"):
            _open(sshd, busy_s=0)


def test_one_try_to_log_in_that_fails_is_a_refused_key(tmp_path: Path) -> None:
    """The server ends the connection with the answer."""
    with limited(tmp_path, "MaxAuthTries 1") as sshd:
        sshd.authorize()
        with pytest.raises(LoginRefusedError, match="key refused"):
            _open(sshd)


def _open(sshd: Sshd, *, port: int | None = None, busy_s: float = 60) -> Session:
    server = replace(sshd.server, port=port or sshd.server.port)
    key = sshd.key.private_path
    return Session.open(server, private_key=key, timeout_s=10, busy_s=busy_s)


def _idle(sshd: Sshd) -> socket.socket:
    """A connection that has the only place for one that is not logged in."""
    while True:
        made = socket.create_connection((sshd.server.address, sshd.server.port))
        if made.recv(4) == b"SSH-":
            return made
        made.close()


def _logins(sshd: Sshd) -> int:
    return (sshd.folder / "sshd.log").read_text().count("Accepted publickey")


def _together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
