"""Servers that are reached through a bastion, by a real sshd each."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.errors import UnreachableError, UsageError
from infraci.model.run import Bastion, Server
from infraci.ssh import (
    HostKeyError,
    LoginRefusedError,
    Session,
    close_jumps,
    generate_key,
    shown_host_key,
)
from tests.sshd import Sshd, children, make_run_folder, running_sshd

TIMEOUT_S = 10.0


@pytest.fixture
def target(sshd: Sshd, own_sshd: Sshd) -> Iterator[Server]:
    """The server of one sshd behind that of another, which takes the same key."""
    own_sshd.authorize(sshd.key.public)
    yield replace(sshd.server, name="db-0", bastion=_bastion(own_sshd))
    close_jumps(sshd.key.private_path)


def _bastion(sshd: Sshd) -> Bastion:
    server = sshd.server
    return Bastion(
        name="lb",
        user=server.user,
        address=server.address,
        port=server.port,
        host_keys=server.host_keys,
    )


def _open(server: Server, sshd: Sshd) -> Session:
    return Session.open(server, private_key=sshd.key.private_path, timeout_s=TIMEOUT_S)


def test_sessions_share_the_connection_to_the_bastion(
    target: Server, sshd: Sshd, own_sshd: Sshd
) -> None:
    answers: dict[int, str] = {}

    def work(number: int) -> None:
        with _open(target, sshd) as session:
            answers[number] = session.run(f"seq {number} 3000", timeout_s=30).stdout.split()[-1]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == dict.fromkeys(range(5), "3000")
    log = (own_sshd.folder / "sshd.log").read_text()
    assert log.count("Accepted publickey") == 1


def test_much_goes_through(target: Server, sshd: Sshd) -> None:
    content = os.urandom(1 << 20) * 4
    with _open(target, sshd) as session:
        assert session.run("cat", timeout_s=60, stdin=content).stdout_bytes == content


def test_a_bastion_that_was_lost_is_connected_to_again(
    target: Server, sshd: Sshd, own_sshd: Sshd
) -> None:
    with _open(target, sshd) as session:
        for child in children(own_sshd.process.pid):
            os.kill(child, signal.SIGKILL)
        assert session.run("echo back", timeout_s=TIMEOUT_S).stdout == "back\n"


def test_a_bastion_that_is_gone(target: Server, sshd: Sshd, own_sshd: Sshd) -> None:
    own_sshd.kill()
    with pytest.raises(UnreachableError, match=r"cannot reach lb .*the way to db-0 leads through"):
        _open(target, sshd)


def test_a_server_that_the_bastion_cannot_reach(target: Server, sshd: Sshd) -> None:
    with pytest.raises(UnreachableError, match=r"through lb\): lb cannot connect to it"):
        _open(replace(target, port=1), sshd)


def test_a_bastion_that_forbids_it(sshd: Sshd, tmp_path: Path) -> None:
    with running_sshd(tmp_path / "strict", "AllowTcpForwarding no\n") as strict:
        strict.authorize(sshd.key.public)
        server = replace(sshd.server, bastion=_bastion(strict))
        with pytest.raises(UnreachableError, match="AllowTcpForwarding"):
            _open(server, sshd)
        close_jumps(sshd.key.private_path)


def test_host_keys_are_checked_at_every_hop(target: Server, sshd: Sshd, tmp_path: Path) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    assert target.bastion is not None
    with pytest.raises(HostKeyError, match="cannot trust lb"):
        _open(replace(target, bastion=replace(target.bastion, host_keys=(other,))), sshd)
    with pytest.raises(HostKeyError, match="cannot log in to lb: its host key is not known"):
        _open(replace(target, bastion=replace(target.bastion, host_keys=())), sshd)
    with pytest.raises(HostKeyError, match="cannot trust db-0"):
        _open(replace(target, host_keys=(other,)), sshd)
    assert shown_host_key(target, private_key=sshd.key.private_path, timeout_s=TIMEOUT_S) in (
        target.host_keys
    )


def test_a_bastion_with_a_key_of_its_own(sshd: Sshd, own_sshd: Sshd) -> None:
    key = str(own_sshd.key.private_path)
    bastion = replace(_bastion(own_sshd), private_key=key)
    with _open(replace(sshd.server, bastion=bastion), sshd) as session:
        assert session.run("echo in", timeout_s=TIMEOUT_S).stdout == "in\n"
    close_jumps(sshd.key.private_path)
    lost = replace(bastion, private_key="/no/such/key")
    with pytest.raises(UsageError, match=r"cannot log in to lb: its key /no/such/key cannot be"):
        _open(replace(sshd.server, bastion=lost), sshd)
    strange = replace(_bastion(own_sshd), private_key="")
    with pytest.raises(LoginRefusedError, match="cannot log in to lb"):
        _open(replace(sshd.server, bastion=strange), sshd)


def test_through_two_bastions(target: Server, sshd: Sshd, own_sshd: Sshd) -> None:
    outer = replace(_bastion(own_sshd), name="gate")
    assert target.bastion is not None
    with _open(replace(target, bastion=replace(target.bastion, bastion=outer)), sshd) as session:
        assert session.run("echo in", timeout_s=TIMEOUT_S).stdout == "in\n"


@pytest.mark.parametrize("folder", ["plain", "with a space and %h"])
def test_openssh_jumps_as_well(
    target: Server, sshd: Sshd, own_sshd: Sshd, tmp_path: Path, folder: str
) -> None:
    config_folder = tmp_path / folder
    config_folder.mkdir()
    lb = replace(own_sshd.server, name="lb")
    assert target.bastion is not None
    outside = Bastion(
        name="jump.example.org",
        user=lb.user,
        address=lb.address,
        port=lb.port,
        host_keys=lb.host_keys,
        private_key=str(sshd.key.private_path),
    )
    far = replace(target, name="far", bastion=replace(target.bastion, bastion=outside))
    config = make_run_folder(config_folder, [lb, target, far], sshd.key).ssh_config
    for name in ("lb", "db-0", "far"):
        done = subprocess.run(
            ["ssh", "-F", config, name, "echo", "hello"],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=30,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
