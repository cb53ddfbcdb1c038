"""Many commands through one shell find what each would have found by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infraci.errors import UnreachableError
from infraci.ssh import CommandTimeoutError, Session, Shell
from tests.limits import growing_limits


@pytest.fixture
def shell(session: Session) -> Shell:
    made = Shell(session)
    assert made.run(b"true", timeout_s=10).exit_status == 0
    return made


@pytest.mark.parametrize(
    "command",
    [
        "echo out; echo err >&2; exit 3",
        "printf 'no newline'",
        "printf '\\000\\377'",
        "true",
        "false",
        'echo "it\'s" \'quoted "twice"\' $((1 + 1)) # and a comment',
        "echo one \\\\ 'back\\slash'",
        "no-such-command",
        "cat; echo end of input",
        "echo two\necho lines",
        "head -c 3000000 /dev/zero",
        "head -c 300000 /dev/zero >&2; exit 7",
        "echo $SSH_CONNECTION $HOME $PWD $-; umask",
    ],
)
def test_what_a_command_finds(session: Session, shell: Shell, command: str) -> None:
    alone = session.run(command, timeout_s=10, keep_bytes=None)
    together = shell.run(command.encode(), timeout_s=10)
    assert together.exit_status == alone.exit_status
    assert together.stdout_bytes == alone.stdout_bytes
    if command != "no-such-command":  # shells name themselves another way
        assert together.stderr_bytes == alone.stderr_bytes


def test_no_command_sees_what_another_did(shell: Shell) -> None:
    shell.run(b"cd /; x=1; export x; set -e; trap 'echo gone' EXIT; umask 0", timeout_s=10)
    done = shell.run(b"pwd; echo [$x]; false; umask", timeout_s=10)
    assert done.stdout.splitlines()[1] == "[]"
    assert done.stdout.splitlines()[0] != "/"
    assert done.stdout.splitlines()[2] != "0000"


def test_what_is_left_in_the_background_is_not_the_next_ones(
    session: Session, shell: Shell, tmp_path: Path
) -> None:
    """It speaks between two commands."""
    gates = [tmp_path / "in", tmp_path / "out"]
    for pipe in gates:
        os.mkfifo(pipe)
    speak = f"(read x < {gates[0]}; echo late; echo late >&2; echo > {gates[1]}) & echo now"
    assert shell.run(speak.encode(), timeout_s=10).stdout == "now\n"
    session.run(f"echo > {gates[0]}; read x < {gates[1]}", timeout_s=10)
    shell.run(b"true", timeout_s=10)  # which may still hear it
    done = shell.run(b"echo next", timeout_s=10)
    assert (done.stdout, done.stderr) == ("next\n", "")


def test_a_command_that_ends_its_shell(shell: Shell) -> None:
    assert shell.run(b"kill -9 $$", timeout_s=10).exit_status == -1
    assert shell.run(b"echo again", timeout_s=10).stdout == "again\n"


def test_a_command_that_takes_too_long(shell: Shell) -> None:
    for limit_s in growing_limits(0.5):
        with pytest.raises(CommandTimeoutError) as caught:
            shell.run(b"echo begun; sleep 600", timeout_s=limit_s)
        if caught.value.details:
            break
    assert f"it was killed after {limit_s:g} s: echo begun; sleep 600" in caught.value.message
    assert "begun" in caught.value.details
    assert shell.run(b"echo again", timeout_s=10).stdout == "again\n"


def test_the_connection_is_lost(shell: Shell) -> None:
    with pytest.raises(UnreachableError, match="the connection was lost in kill -9"):
        shell.run(b"kill -9 $PPID; sleep 600", timeout_s=10)
    assert shell.run(b"echo again", timeout_s=10).stdout == "again\n"
