"""One try to log in, and all that can be wrong with it."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.errors import UnreachableError
from infraci.ssh import HostKeyError, LoginRefusedError, generate_key, log_in, shown_host_key
from tests.sshd import Sshd, dropping


def test_a_login_runs_commands(sshd: Sshd) -> None:
    with log_in(sshd.server, private_key=sshd.key.private_path, timeout_s=10) as session:
        assert session.run("echo in", timeout_s=10).stdout == "in\n"


def test_a_key_that_is_not_accepted(sshd: Sshd, tmp_path: Path) -> None:
    key = generate_key(tmp_path, "stranger")
    with pytest.raises(LoginRefusedError, match=r"cannot log in to web-0 as .*: key refused") as it:
        log_in(sshd.server, private_key=key.private_path, timeout_s=10)
    assert it.value.hint
    assert "user" in it.value.hint


def test_another_host_key(sshd: Sshd, tmp_path: Path) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    server = replace(sshd.server, host_keys=(other,))
    with pytest.raises(HostKeyError):
        log_in(server, private_key=sshd.key.private_path, timeout_s=10)


def test_a_port_without_an_ssh_server(sshd: Sshd) -> None:
    with (
        dropping(sshd.server.port, drops=1_000_000) as port,
        pytest.raises(UnreachableError, match=r"cannot reach web-0.*no SSH server answers"),
    ):
        log_in(replace(sshd.server, port=port), private_key=sshd.key.private_path, timeout_s=10)


def test_a_banner_that_does_not_come_is_given_up_in_time(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = replace(sshd.server, port=silent.getsockname()[1])
        with pytest.raises(UnreachableError, match=r"no SSH server answers|no answer in the SSH"):
            log_in(server, private_key=sshd.key.private_path, timeout_s=0.5)


def test_a_shell_that_does_not_work_is_no_login(own_sshd: Sshd) -> None:
    own_sshd.authorize(f'command="echo System is booting up.; exit 1" {own_sshd.key.public}')
    with pytest.raises(
        UnreachableError, match="cannot run a command on web-0: System is booting up"
    ):
        log_in(own_sshd.server, private_key=own_sshd.key.private_path, timeout_s=10)


def test_the_host_key_that_is_shown(sshd: Sshd) -> None:
    server = replace(sshd.server, host_keys=())
    shown = shown_host_key(server, private_key=sshd.key.private_path, timeout_s=10)
    assert (shown,) == sshd.server.host_keys
