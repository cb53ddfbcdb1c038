"""Sessions with a real sshd, and what it can do to them."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from infraci.errors import ConfigureError, UnreachableError
from infraci.ssh import (
    CommandTimeoutError,
    HostKeyError,
    LoginRefusedError,
    Session,
    generate_key,
)
from tests.limits import growing_limits
from tests.sshd import DAEMON, Sshd, children


def test_a_command_and_its_streams(session: Session) -> None:
    done = session.run("echo out; echo err >&2; exit 3", timeout_s=10)
    assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_lines_come_while_the_command_runs(session: Session, tmp_path: Path) -> None:
    """The command goes on only when its first line has been heard."""
    pipe = tmp_path / "gate"
    os.mkfifo(pipe)
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if line == "first":
            pipe.write_text("go on\n")

    session.run(f"echo first; cat {pipe}; printf 'no end'", timeout_s=10, on_output=hear)
    assert lines == ["first", "go on", "no end"]


def test_what_is_not_utf8_is_replaced_and_kept_as_bytes(session: Session) -> None:
    lines: list[str] = []
    done = session.run(r"printf 'caf\303\251 \377\r\n'", timeout_s=10, on_output=lines.append)
    assert done.stdout == "café \N{REPLACEMENT CHARACTER}\r\n"
    assert done.stdout_bytes == b"caf\xc3\xa9 \xff\r\n"
    assert lines == ["café \N{REPLACEMENT CHARACTER}"]


def test_a_server_that_freezes_before_a_command_begins(session: Session, sshd: Sshd) -> None:
    """The kernel still takes what is sent; only that nothing answers shows it."""
    session.answer_s = 0.5
    channel = session.open_channel(10)
    frozen = children(sshd.process.pid)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            session.begin(channel, b"true", 60)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)


def test_what_comes_late_on_a_closed_channel_ends_no_connection(session: Session) -> None:
    """As when another thread closes it just before: sshd no longer knows the channel."""
    channel = session.open_channel(10)
    channel.exec_command("true")
    channel.recv_exit_status()
    channel.close()
    session.run("true", timeout_s=10)  # by now sshd has forgotten the other
    for kind in (b"\x5e", b"\x60"):  # data, and its end
        message = paramiko.Message()
        message.add_byte(kind)
        message.add_int(channel.remote_chanid)
        message.add_string(b"late")
        session.transport._send_user_message(message)  # type: ignore[attr-defined]
    assert session.run("echo there", timeout_s=10).stdout == "there\n"


def test_environment_is_quoted(session: Session) -> None:
    nasty = 'it\'s $(touch /tmp/never) "quoted"\nand `more`; exit 7'
    done = session.run('printf %s "$A$B"', timeout_s=10, environment={"A": nasty, "B": "b"})
    assert (done.exit_status, done.stdout) == (0, nasty + "b")
    with pytest.raises(ConfigureError, match="'A;B': not a name"):
        session.run("true", timeout_s=10, environment={"A;B": "x"})


def test_much_goes_in_while_much_comes_out(session: Session) -> None:
    content = os.urandom(1 << 20) * 8
    done = session.run("tee /dev/stderr", timeout_s=60, stdin=content)
    assert done.stdout_bytes == done.stderr_bytes == content


def test_a_command_may_leave_its_input_unread(session: Session) -> None:
    done = session.run("exec <&-; echo done", timeout_s=30, stdin=b"x" * (8 << 20))
    assert done.stdout == "done\n"


def test_a_runaway_is_kept_to_its_end(session: Session) -> None:
    done = session.run("seq 1 200000", timeout_s=30, keep_bytes=100_000)
    assert done.stdout.startswith("[")
    assert "bytes left out]\n" in done.stdout
    assert done.stdout.endswith("\n200000\n")
    assert len(done.stdout) < 200_000


def test_a_process_left_in_the_background_is_not_waited_for(session: Session) -> None:
    done = session.run("sleep 600 & echo $!", timeout_s=30)
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.exit_status == 0


def test_a_command_that_a_signal_ends(session: Session) -> None:
    done = session.run("kill -9 $$", timeout_s=10)
    assert (done.exit_status, done.stderr) == (137, "")
    assert session.is_alive


def test_a_command_that_takes_too_long(session: Session) -> None:
    command = "echo so far; exec sleep 600"
    for limit_s in growing_limits(0.3):
        with pytest.raises(CommandTimeoutError) as caught:
            session.run(command, timeout_s=limit_s, environment={"P": "geheim"})
        if caught.value.details:
            break
    assert re.search(rf"web-0.*killed after {limit_s:g} s", caught.value.message)
    assert caught.value.details == "so far"
    assert "geheim" not in caught.value.message
    assert session.run("echo still good", timeout_s=10).stdout == "still good\n"


def test_commands_side_by_side(session: Session) -> None:
    results: dict[int, str] = {}

    def work(number: int) -> None:
        command = f"seq {number} 2000 | tail -n 1; echo {number}"
        results[number] = session.run(command, timeout_s=30).stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"2000\n{number}\n" for number in range(8)}


def test_put_is_whole_and_has_its_mode(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "it's a file"
    path.write_text("before")
    content = os.urandom(100_000)
    session.put(content, str(path), 0o750)
    assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert list(tmp_path.iterdir()) == [path]
    session.put(b"", str(path))
    assert path.read_bytes() == b""


def test_put_says_why_it_cannot(session: Session) -> None:
    with pytest.raises(ConfigureError, match=r"cannot write /proc/no/file on web-0: .*No such"):
        session.put(b"x", "/proc/no/file")


def test_the_connection_is_lost_in_a_command(own_sshd: Sshd) -> None:
    with _open(own_sshd) as session, pytest.raises(UnreachableError, match="connection was lost"):
        session.run(f"{DAEMON}; sleep 600", timeout_s=60, on_output=_signal(signal.SIGKILL))


def test_a_server_that_hangs_is_found_out(own_sshd: Sshd) -> None:
    with _open(own_sshd) as session:
        session.silence_s = session.answer_s = 0.3
        with pytest.raises(UnreachableError, match="no longer answers"):
            session.run(f"{DAEMON}; sleep 600", timeout_s=60, on_output=_signal(signal.SIGSTOP))


def test_a_silent_command_is_not_a_server_that_hangs(session: Session) -> None:
    session.silence_s = session.answer_s = 0.5
    assert session.run("sleep 2; echo there", timeout_s=60).stdout == "there\n"


def test_a_connection_lost_between_commands_is_made_anew(own_sshd: Sshd) -> None:
    with _open(own_sshd) as session:
        daemon = int(session.run(DAEMON, timeout_s=10).stdout)
        os.kill(daemon, signal.SIGKILL)
        assert session.run("echo back", timeout_s=10).stdout == "back\n"
        own_sshd.kill()
        with pytest.raises(UnreachableError, match="Connection refused"):
            session.run("true", timeout_s=10)


def test_close_from_another_thread_ends_a_command(own_sshd: Sshd) -> None:
    session = _open(own_sshd)

    def close(line: str) -> None:
        closing = threading.Thread(target=session.close)
        closing.start()
        closing.join()

    with pytest.raises(UnreachableError):
        session.run("echo now; sleep 600", timeout_s=60, on_output=close)
    with pytest.raises(UnreachableError, match="session is closed"):
        session.run("true", timeout_s=10)


def test_a_wrong_host_key_is_never_talked_to(sshd: Sshd, tmp_path: Path) -> None:
    other = " ".join(generate_key(tmp_path, "other").public.split()[:2])
    for pinned in ((other,), ("ssh-rsa AAAAB3NzaC1yc2E=",), ("nonsense",)):
        with pytest.raises(HostKeyError, match=r"cannot trust web-0 .*shows the host key"):
            _open(sshd, host_keys=pinned)
    with pytest.raises(HostKeyError, match="not known"):
        _open(sshd, host_keys=())


def test_a_refused_login(sshd: Sshd, tmp_path: Path) -> None:
    key = generate_key(tmp_path, "stranger")
    with pytest.raises(LoginRefusedError, match=r"cannot log in to web-0 as .*refused"):
        Session.open(sshd.server, private_key=key.private_path, timeout_s=10)


def test_nobody_listens(own_sshd: Sshd) -> None:
    own_sshd.kill()
    with socket.socket() as nobody:  # keeps the port from tests at the same time
        nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        nobody.bind((own_sshd.server.address, own_sshd.server.port))
        with pytest.raises(UnreachableError, match=r"cannot reach web-0 .*Connection refused"):
            _open(own_sshd)


def _open(sshd: Sshd, host_keys: tuple[str, ...] | None = None) -> Session:
    server = sshd.server if host_keys is None else replace(sshd.server, host_keys=host_keys)
    return Session.open(server, private_key=sshd.key.private_path, timeout_s=10)


def _signal(number: signal.Signals) -> Callable[[str], None]:
    """Make what sends the process whose number a command prints a signal."""
    return lambda line: os.kill(int(line), number)
