"""Whatever the user's login shell is or prints, a command finds the same, either way it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infraci.ssh import Completed, LoginRefusedError, Session, Shell
from infraci.ssh.command_script import CommandStreams, Marks
from tests.sshd import Sshd, running_sshd

#: A login shell is what sshd gives "-c COMMAND"; this one hands it on to another.
HAND_ON = '#!/bin/sh\nexport SHELL={0}\nexec {0} -c "$SSH_ORIGINAL_COMMAND"\n'
SHELLS = {
    "dash": HAND_ON.format("/bin/dash"),
    "fish": HAND_ON.format("/usr/bin/fish"),
    "tcsh": HAND_ON.format("/usr/bin/tcsh"),
    "bash": HAND_ON.format("/bin/bash"),
    # One that does not let go, and has the last word.
    "wrapped": '#!/bin/sh\necho hello\nsh -c "${SSH_ORIGINAL_COMMAND#exec }"\necho bye; exit 7\n',
}
#: What bash reads when sshd starts it.
BASHRC = {
    "speaks": "echo Welcome to $(hostname); echo and more >&2; trap 'echo good bye' EXIT; cd /\n",
    "talks": "yes 'UNAUTHORISED USE IS FORBIDDEN ü ]]> <b>' | head -500\n",
    "traces": "set -xv\n",
    "aliases": "alias printf='echo no' eval='echo no'; shopt -s expand_aliases\n",
    "asks": "read -t 0.2 answer; echo $answer\n",
    "echoes": "printf '%s\\n' \"$BASH_EXECUTION_STRING\"; printf '<'\n",
}

Run = Callable[[str], Completed]


@contextmanager
def ways(sshd: Sshd) -> Iterator[list[Run]]:
    """Both ways to run a command."""
    key = sshd.key.private_path
    with Session.open(sshd.server, private_key=key, timeout_s=10) as session:
        shell = Shell(session)
        yield [
            lambda command: session.run(command, timeout_s=20),
            lambda command: shell.run(command.encode(), timeout_s=20),
        ]
        shell.close()


@contextmanager
def with_login_shell(folder: Path, script: str) -> Iterator[list[Run]]:
    folder.mkdir()
    program = folder / "login"
    program.write_text(script)
    program.chmod(0o755)
    with running_sshd(folder / "sshd", f"ForceCommand {program}\n") as sshd, ways(sshd) as both:
        yield both


def assert_alike(both: list[Run]) -> None:
    """What a command finds is what it finds in a POSIX shell."""
    for run in both:
        for command in (
            "printf '%s' \"it's\"",
            "printf '%s' 'it'\nprintf '%s' \"'s\"",
            'x=1; if [ "$x" = 1 ]; then printf "%s" "it\'s"; fi',
            'printf "%s" "$(printf "it\'s")"',
            "cat <<'END' | tr -d '\\n'\nit's\nEND",
        ):
            done = run(command)
            assert (done.exit_status, done.stdout, done.stderr) == (0, "it's", ""), command
        done = run("echo out; echo \\\\ '\\' >&2; exit 3")
        assert (done.exit_status, done.stdout, done.stderr) == (3, "out\n", "\\ \\\n")
        assert run("trap 'echo over' EXIT; echo so far").stdout == "so far\nover\n"
        assert run("exec echo gone").stdout == "gone\n"
        assert run("echo $#; cat; printf '\\377<'").stdout_bytes == b"0\n\xff<"
        processes = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; echo end"
        assert run(processes).stdout.endswith("\nend\n")
        assert run("no-such-command 2>/dev/null").exit_status == 127


@pytest.mark.parametrize("script", SHELLS.values(), ids=SHELLS)
def test_login_shells(tmp_path: Path, script: str) -> None:
    with with_login_shell(tmp_path / "server", script) as both:
        assert_alike(both)


@pytest.mark.parametrize("text", BASHRC.values(), ids=BASHRC)
def test_what_bash_reads_first(own_sshd: Sshd, text: str) -> None:
    (own_sshd.folder / ".bashrc").write_text(text)
    with ways(own_sshd) as both:
        assert_alike(both)


def test_a_banner_before_the_login(tmp_path: Path) -> None:
    (tmp_path / "banner").write_text("UNAUTHORISED USE IS FORBIDDEN ü ]]> <b>\n" * 500)
    banner = f"Banner {tmp_path}/banner\nPrintMotd yes\n"
    with running_sshd(tmp_path / "sshd", banner) as sshd, ways(sshd) as both:
        assert_alike(both)


def test_bash_is_kept_where_it_is_the_login_shell(tmp_path: Path) -> None:
    for name, expected in (("bash", "yes"), ("fish", "no")):
        with with_login_shell(tmp_path / name, SHELLS[name]) as both:
            for run in both:
                done = run('[[ a == a ]] 2>/dev/null && echo "yes" || echo "no"')
                assert done.stdout == f"{expected}\n"


@pytest.mark.parametrize("answer", ["echo This account is not available.; exit 1", "exec cat"])
def test_a_login_that_runs_nothing(tmp_path: Path, answer: str) -> None:
    with with_login_shell(tmp_path / "server", f"#!/bin/sh\n{answer}\n") as both:
        for run in both[:1] if "cat" in answer else both:
            with pytest.raises(LoginRefusedError, match="cannot run a command on web-0") as caught:
                run("true")
            expected = "not available" if "not" in answer else "of root runs no /bin/sh"
            assert expected in caught.value.message


def test_marks_come_in_any_pieces() -> None:
    marks = Marks(token="abc")
    stdout = b"noise <abc <abc[" + b"<<abc <ab\n<abc[" + b"<abc]12.late"
    stderr = b"<abc[" + b"<abc" + b"<abc]"
    for size in range(1, len(stdout)):
        out, err = bytearray(), bytearray()
        answer = CommandStreams(marks, out.extend, err.extend)
        for begin in range(0, len(stdout), size):
            answer.feed_stdout(stdout[begin : begin + size])
        assert not answer.is_over
        for begin in range(0, len(stderr), size):
            answer.feed_stderr(stderr[begin : begin + size])
        assert (bytes(out), bytes(err)) == (b"<<abc <ab\n<abc[", b"<abc")
        assert answer.is_over
        assert answer.exit_status == 12
        assert answer.noise == "noise <abc"


def test_what_was_held_back_is_handed_on_at_the_end() -> None:
    marks = Marks(token="abc")
    out = bytearray()
    answer = CommandStreams(marks, out.extend, out.extend)
    answer.feed_stdout(b"<abc[text<ab")
    assert out == b"text"
    answer.finish()
    assert out == b"text<ab"
    assert answer.exit_status is None
