"""Keys and ssh_config, held against OpenSSH's own client."""

from __future__ import annotations

import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from infraci.model.run import Server
from infraci.ssh import generate_key, host_keys_from_console
from tests.sshd import Sshd, make_run_folder

CONSOLE = """\
[   10.1] cloud-init[312]: -----BEGIN SSH HOST KEY KEYS-----\r
[   10.1] cloud-init[312]: ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHA= root@web-0\r
[   10.2] cloud-init[312]: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA root@web-0\r
<14>Nov 21 12:00:00 cloud-init: -----END SSH HOST KEY KEYS-----\r
"""


def test_a_generated_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    key = generate_key(tmp_path, "infraci run 1")
    assert stat.S_IMODE(key.private_path.stat().st_mode) == 0o600
    read = subprocess.run(
        ["ssh-keygen", "-y", "-f", key.private_path], check=True, capture_output=True, text=True
    ).stdout
    assert read.split()[:2] == key.public.split()[:2]
    assert key.public.startswith("ssh-ed25519 ")
    assert key.public.endswith(" infraci run 1")


def test_host_keys_from_console() -> None:
    assert host_keys_from_console(CONSOLE) == (
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHA=",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
    )


def test_the_last_whole_block_counts() -> None:
    newer = CONSOLE.replace("AAAAC3NzaC1lZDI1NTE5AAAA", "AAAAC3NzaC1lZDI1NTE5BBBB")
    cut_short = CONSOLE.split("ssh-ed25519")[0]
    assert host_keys_from_console(CONSOLE + newer)[1].endswith("BBBB")
    assert host_keys_from_console(CONSOLE + cut_short) == host_keys_from_console(CONSOLE)
    assert host_keys_from_console(cut_short) == ()
    assert host_keys_from_console("") == ()


def _ssh(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ssh", "-F", config, *words],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
    )


def test_openssh_logs_in_by_word(sshd: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / "with a space and %h"
    folder.mkdir()
    servers = [sshd.named("web-0"), sshd.named("db 1/prod"), sshd.named("-oProxyCommand=x")]
    config = make_run_folder(folder, servers, sshd.key).ssh_config
    for server in servers:
        done = _ssh(config, server.word, "echo", "hello")
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


@pytest.mark.parametrize("known", ["another key", "no key"])
def test_openssh_refuses_an_unknown_host_key(sshd: Sshd, tmp_path: Path, known: str) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    server: Server = replace(sshd.server, host_keys=(other,) if known == "another key" else ())
    done = _ssh(make_run_folder(tmp_path, [server], sshd.key).ssh_config, "web-0", "true")
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr
