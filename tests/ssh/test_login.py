"""Waiting for a login: what a guest that boots shows in the meantime."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.deadline import Deadline
from infraci.errors import UnreachableError
from infraci.ssh import HostKeyError, LoginRefusedError, generate_key, wait_for_login
from tests.sshd import Sshd


class Boot:
    """A clock whose sleep lets the guest get on with its boot."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.now = 0.0
        self.steps = list(steps)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.steps:
            self.steps.pop(0)()

    def deadline(self, seconds: float = 60) -> Deadline:
        return Deadline(seconds, self.clock, self.sleep, phase="provision")


def _nothing() -> None:
    pass


def test_a_key_that_is_not_there_yet_is_waited_for(own_sshd: Sshd) -> None:
    own_sshd.authorize()
    boot = Boot(_nothing, lambda: own_sshd.authorize(own_sshd.key.public))
    with wait_for_login(
        own_sshd.server, private_key=own_sshd.key.private_path, deadline=boot.deadline()
    ) as session:
        assert session.run("echo in", timeout_s=10).stdout == "in\n"
    assert not boot.steps


def test_a_key_that_never_comes_is_a_clear_error(sshd: Sshd, tmp_path: Path) -> None:
    key = generate_key(tmp_path, "stranger")
    with pytest.raises(
        LoginRefusedError, match=r"cannot log in to web-0 as .*: key refused \(for 3 s\)"
    ) as caught:
        wait_for_login(sshd.server, private_key=key.private_path, deadline=Boot().deadline(3))
    assert caught.value.hint
    assert "user" in caught.value.hint


def test_a_wrong_host_key_is_not_waited_for(sshd: Sshd, tmp_path: Path) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    boot = Boot()
    with pytest.raises(HostKeyError):
        wait_for_login(
            replace(sshd.server, host_keys=(other,)),
            private_key=sshd.key.private_path,
            deadline=boot.deadline(),
        )
    assert boot.now == 0


def test_connections_that_are_dropped_are_tried_again(sshd: Sshd) -> None:
    with flaky_proxy(sshd.server.port, drops=3) as port:
        wait_for_login(
            replace(sshd.server, port=port),
            private_key=sshd.key.private_path,
            deadline=Boot().deadline(),
        ).close()


def test_a_port_without_an_ssh_server_is_no_login(sshd: Sshd) -> None:
    with (
        flaky_proxy(sshd.server.port, drops=1_000_000) as port,
        pytest.raises(UnreachableError, match="cannot reach web-0") as caught,
    ):
        wait_for_login(
            replace(sshd.server, port=port),
            private_key=sshd.key.private_path,
            deadline=Boot().deadline(1),
        )
    assert "no SSH server answers" in caught.value.message


def test_a_banner_that_does_not_come_is_given_up_in_time(sshd: Sshd) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(UnreachableError, match=r"no SSH server answers|no answer in the SSH"),
    ):
        wait_for_login(
            replace(sshd.server, port=silent.getsockname()[1]),
            private_key=sshd.key.private_path,
            deadline=Deadline(0.5),
        )


def test_a_shell_that_does_not_work_is_no_login(own_sshd: Sshd) -> None:
    own_sshd.authorize(f'command="echo System is booting up.; exit 1" {own_sshd.key.public}')
    with pytest.raises(UnreachableError, match=r"exit status 1, System is booting up"):
        wait_for_login(
            own_sshd.server, private_key=own_sshd.key.private_path, deadline=Boot().deadline(1)
        )


@contextmanager
def flaky_proxy(target: int, *, drops: int) -> Iterator[int]:
    """Forward to ``target`` after dropping the first connections without a word."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve() -> None:
        left = drops
        ends: list[socket.socket] = []
        pumps: list[threading.Thread] = []
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                break
            if left:
                left -= 1
                client.close()
                continue
            upstream = socket.create_connection(("127.0.0.1", target))
            ends += [client, upstream]
            for pair in ((client, upstream), (upstream, client)):
                pumps.append(threading.Thread(target=pump, args=pair))
                pumps[-1].start()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in pumps:
            thread.join()
        for end in ends:
            end.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()
