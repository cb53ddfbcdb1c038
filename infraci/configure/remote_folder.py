"""A private folder on a server, and the program that a step pushes there and runs."""

from __future__ import annotations

import io
import re
import secrets
import shlex
import signal
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infraci.configure.step import StepError, StepRun, output_text
from infraci.configure.step_failure import not_as_root, stopped
from infraci.diagnosis.sudo import remarks_of
from infraci.errors import InfraciError, UnreachableError, raise_of_machine
from infraci.model.run import Server
from infraci.ssh import CommandTimeoutError, Session

#: Limits for the small commands around the program itself.
_CHORE_S = 60.0
_TRIES = 2
_LAST_LINES = 20
_SIGNALLED = 128
_LEFT_OUT = {".git", ".infraci"}
#: Terminate the program's process group, and kill what is left of it after two seconds. The
#: group is that of the command, unless an SSH server makes none: then it is spared.
_KILL = """\
read -r pid group <{pid}
case $(cat /proc/$group/comm) in sshd*|dropbear*) target=$pid;; *) target=-$group;; esac
kill -s TERM -- $target
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 -- $target || exit 0; sleep 0.2; done
kill -s KILL -- $target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run on a server, and what it needs there."""

    what: str  # what messages call it: "app.sh"
    files: Callable[[str], Mapping[str, bytes]]  # by name, given the folder; all are executable
    lines: Callable[[str], Iterable[str]]  # of the shell that starts it, given the folder
    environment: Mapping[str, str]
    timeout_s: float
    sudo: bool = True
    without_sudo: str = "log in as root (servers: user: root)"  # what else there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended: what it printed, and what it left in its folder."""

    exit_status: int  # of a signal, as shells have it: 128 and its number
    lines: tuple[str, ...]  # that it printed
    read: Callable[[str], str]  # a file of the folder; empty if there is none

    @property
    def text(self) -> str:
        """All that it printed."""
        return "\n".join(self.lines)

    @property
    def how(self) -> str:
        """How it ended, for a message."""
        for number in signal.Signals:
            if self.exit_status == _SIGNALLED + number:
                return f"ended by {number.name}"
        return f"exit status {self.exit_status}"

    @property
    def last(self) -> str:
        """Its last lines."""
        return "\n".join(self.lines[-_LAST_LINES:])


@contextmanager
def run_pushed(program: Program, session: Session, server: Server, run: StepRun) -> Iterator[Ended]:
    """Push the program into a private folder and run it; the folder is removed at the end.

    Its environment never shows in a process list. Raises StepError and UnreachableError, but for no
    exit status.
    """
    sudo = "sudo -n -- " if program.sudo and server.user != "root" else ""
    reader = _OutputReader(server, run)
    folder = _push(program, reader.mark, session, server, run)
    try:
        status = _run(program, reader, sudo, folder, session, server, run)
        lines = tuple(reader.lines)

        def read(name: str) -> str:
            done = session.run(f"{sudo}cat {folder}/{name}", timeout_s=_CHORE_S)
            return done.stdout if done.exit_status == 0 else ""

        yield Ended(exit_status=status, lines=lines, read=read)
    finally:
        with suppress(InfraciError):
            # As root, who may have left files there.
            remove = f"rm -rf {folder}"
            as_root = f"{sudo}{remove} 2>/dev/null || " if sudo and reader.is_begun else ""
            session.run(f"{as_root}{remove}", timeout_s=_CHORE_S)


def run_variables(server: Server, run: StepRun) -> Mapping[str, str]:
    """The run's facts for every program, as environment variables."""
    outputs = {
        f"INFRACI_OUTPUT_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}": output_text(value)
        for name, value in run.outputs.items()
    }
    return {
        "INFRACI_SERVER": server.name,
        "INFRACI_ROLE": server.role,
        "INFRACI_ADDRESS": server.address,
        "INFRACI_RUN": run.run_id,
        "INFRACI_COMMIT": run.commit,
        **outputs,
    }


def archive(root: Path, paths: Iterable[PurePosixPath], server: Server) -> bytes:
    """A tar archive for a server, of files and folders of the tree, laid out as there."""

    def as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return None if PurePosixPath(entry.name).name in _LEFT_OUT else entry

    packed = io.BytesIO()
    try:
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
            for path in dict.fromkeys(paths):
                tar.add(root / path, arcname=str(path), filter=as_root)
    except OSError as error:
        raise_of_machine(error)
        name = str(error.filename).removeprefix(f"{root}/")
        raise StepError(f"{server.name}: {name} cannot be read: {error.strerror}") from error
    return packed.getvalue()


class _OutputReader:
    """Takes the lines of a program; those before its mark are sudo's."""

    def __init__(self, server: Server, run: StepRun) -> None:
        self._server = server
        self._run = run
        self.mark = secrets.token_hex(8)
        self.is_begun = False
        self.before: list[str] = []
        self._lines: list[str] = []

    @property
    def lines(self) -> list[str]:
        """What the program has printed; sudo's lines if it has not begun."""
        return self._lines if self.is_begun else self.before

    def take_line(self, line: str) -> None:
        """Take a line."""
        if self.is_begun:
            self._run.log(line)
            self._lines.append(line)
        elif line.endswith(self.mark):
            self.is_begun = True
            for remark in remarks_of("\n".join(self.before), self._server.name):
                self._run.note(remark)
        else:
            self._run.log(line)
            self.before.append(line)


def _push(program: Program, mark: str, session: Session, server: Server, run: StepRun) -> str:
    """Copy the files to the server; once more if the connection breaks."""
    for tries_left in reversed(range(_TRIES)):
        try:
            made = session.run("umask 077; mktemp -d /tmp/infraci.XXXXXXXX", timeout_s=_CHORE_S)
            folder = made.stdout.strip()
            if made.exit_status != 0 or not re.fullmatch(r"/tmp/infraci\.\w+", folder):  # noqa: S108
                reason = (made.stderr or made.stdout).strip() or "mktemp failed"
                raise StepError(
                    f"{server.name}: {program.what} cannot be copied: no folder in /tmp: {reason}"
                )
            limit_s = max(_CHORE_S, run.deadline.within(program.timeout_s))
            for name, content in program.files(folder).items():
                session.put(content, f"{folder}/{name}", 0o700, timeout_s=limit_s)
            session.put(_wrapper(program, mark, folder), f"{folder}/.run")
        except UnreachableError as error:
            if not tries_left:
                raise
            run.log(f"{error.message}; trying once more")
        else:
            return folder
    raise AssertionError("unreachable: the last try returns or raises")


def _wrapper(program: Program, mark: str, folder: str) -> bytes:
    """A script that starts the program, so that other users cannot read the environment.

    It prints the mark first: lines before the mark are sudo's.
    """
    variables = program.environment.items()
    lines = [
        f"echo {mark}",
        "read -r _ _ _ _ group _ </proc/$$/stat",
        f'echo "$$ $group" >{folder}/.pid',
        *(f"export {name}={shlex.quote(value)}" for name, value in variables),
        "exec </dev/null",
        *program.lines(folder),
    ]
    return ("\n".join(lines) + "\n").encode()


def _run(
    program: Program,
    reader: _OutputReader,
    sudo: str,
    folder: str,
    session: Session,
    server: Server,
    run: StepRun,
) -> int:
    """Run the program; returns its exit status. One stream has all, so that the mark comes in time.

    What sudo prints comes in its own language, so that only the mark tells whether it refuses.
    """
    timeout_s = run.deadline.within(program.timeout_s)
    command = f"exec {sudo}sh {folder}/.run 2>&1"
    try:
        done = session.run(
            command, timeout_s=timeout_s, on_output=reader.take_line, keep_bytes=1 << 16
        )
    except CommandTimeoutError as error:
        with suppress(InfraciError):
            kill = _KILL.format(pid=f"{folder}/.pid").encode()
            session.run(f"{sudo}sh -s", timeout_s=_CHORE_S, stdin=kill)
        raise stopped(
            server,
            program.what if reader.is_begun or not sudo else f"sudo for {program.what}",
            timeout_s,
            "\n".join(reader.lines),
            own_hosts=run.own_hosts,
            details="\n".join(reader.lines[-_LAST_LINES:]),
        ) from error
    except UnreachableError as error:
        raise UnreachableError(
            f"cannot configure {server.name}: the connection was lost while {program.what} ran",
            hint=error.message,
        ) from error
    if sudo and not reader.is_begun:
        printed = "\n".join(reader.before)
        raise not_as_root(server, program.what, printed, hint=program.without_sudo)
    return done.exit_status
