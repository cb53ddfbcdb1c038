"""The ``script`` step: a script of the commit, run on the server."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from infraci.configure.step import StepContext, StepError
from infraci.deadline import duration
from infraci.errors import InfraciError, UnreachableError
from infraci.model.configure import ScriptStep
from infraci.model.run import Server
from infraci.model.secret import reveal_all
from infraci.scripts import check_script, find_flaw
from infraci.ssh import CommandTimeoutError, Session

__all__ = ["Script", "check_script"]

#: Limits for the small commands around the script itself.
_CHORE_S = 60.0
_TRIES = 2
_LAST_LINES = 20
#: Terminate the script's process group, and kill what is left of it after two seconds. The
#: group is that of the command, unless an SSH server makes none: then it is spared.
_KILL = """\
read -r pid group <{pid}
case $(cat /proc/$group/comm) in sshd*|dropbear*) target=$pid;; *) target=-$group;; esac
kill -s TERM -- $target
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 -- $target || exit 0; sleep 0.2; done
kill -s KILL -- $target
"""


class Script:
    """Runs one script; its environment never shows in a process list."""

    def __init__(self, options: ScriptStep) -> None:
        self._options = options
        self.name = f"script {options.path}"
        self.roles = options.roles

    def apply(self, session: Session, server: Server, context: StepContext) -> None:
        """Push the script into a private folder, run it there, and remove the folder."""
        path = self._options.path
        try:
            content = (context.root / path).read_bytes()
        except OSError as error:
            raise StepError(f"cannot read {path}: {error.strerror}") from error
        if (flaw := find_flaw(content)) is not None:
            raise StepError(f"cannot run {path} on {server.name}: {flaw}")
        folder = self._push(session, content, server, context)
        try:
            self._run(session, folder, server, context)
        finally:
            with suppress(InfraciError):
                # As root, who may have left files there.
                _run(session, f"{self._sudo(server)}rm -rf {folder}")

    def _sudo(self, server: Server) -> str:
        return "sudo -n -- " if self._options.sudo and server.user != "root" else ""

    def _push(self, session: Session, content: bytes, server: Server, context: StepContext) -> str:
        """Copy script and wrapper over; once more if the connection breaks meanwhile."""
        for tries_left in reversed(range(_TRIES)):
            try:
                made = session.run("umask 077; mktemp -d /tmp/infraci.XXXXXXXX", timeout_s=_CHORE_S)
                folder = made.stdout.strip()
                if made.exit_status != 0 or not re.fullmatch(r"/tmp/infraci\.\w+", folder):  # noqa: S108
                    reason = (made.stderr or made.stdout).strip() or "mktemp failed"
                    raise StepError(f"cannot make a folder on {server.name}: {reason}")
                session.put(content, self._script(folder), 0o700)
                session.put(self._wrapper(folder, content, server, context), f"{folder}/.run")
            except UnreachableError as error:
                if not tries_left:
                    raise
                context.log(f"{error.message}; trying once more")
            else:
                return folder
        raise AssertionError("unreachable: the last try returns or raises")

    def _script(self, folder: str) -> str:
        return f"{folder}/{PurePosixPath(self._options.path).name}"

    def _wrapper(self, folder: str, content: bytes, server: Server, context: StepContext) -> bytes:
        """Write what starts the script: a file, so that nobody else can read the environment."""
        variables = {
            **_run_variables(server, context),
            **reveal_all(self._options.environment),
        }
        # As the kernel does: an interpreter, and at most one argument.
        shebang = content.partition(b"\n")[0][2:].decode(errors="replace").strip()
        words = [*shebang.split(maxsplit=1), self._script(folder), *self._options.arguments]
        lines = [
            "read -r _ _ _ _ group _ </proc/$$/stat",
            f'echo "$$ $group" >{folder}/.pid',
            *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
            f"exec {shlex.join(words)} </dev/null",
        ]
        return ("\n".join(lines) + "\n").encode()

    def _run(self, session: Session, folder: str, server: Server, context: StepContext) -> None:
        path, sudo = self._options.path, self._sudo(server)
        command = f"{sudo}sh {folder}/.run"
        timeout_s = context.deadline.within(self._options.timeout_s)
        last: list[str] = []

        def hear(line: str) -> None:
            context.log(line)
            last.append(line)
            del last[:-_LAST_LINES]

        try:
            done = session.run(command, timeout_s=timeout_s, on_output=hear, keep_bytes=1 << 16)
        except CommandTimeoutError as error:
            with suppress(InfraciError):
                kill = _KILL.format(pid=f"{folder}/.pid").encode()
                session.run(f"{sudo}sh -s", timeout_s=_CHORE_S, stdin=kill)
            raise StepError(
                f"cannot configure {server.name}: {path} was killed after {duration(timeout_s)}",
                hint="does it wait for input or for another server? its timeout: is in the"
                " pipeline",
                details="\n".join(last),
            ) from error
        except UnreachableError as error:
            raise UnreachableError(
                f"cannot configure {server.name}: the connection was lost while {path} ran",
                hint=error.message,
            ) from error
        if done.exit_status != 0:
            raise self._failed(done.exit_status, last, server)

    def _failed(self, status: int, last: list[str], server: Server) -> StepError:
        how = f"ended with exit status {status}" if status >= 0 else "was ended by a signal"
        said = next((line.strip() for line in reversed(last) if line.strip()), "")
        password = any("sudo: a password is required" in line for line in last)
        return StepError(
            f"cannot configure {server.name}: {self._options.path} {how}"
            + (f": {said}" if said else ""),
            hint=f"{server.user} needs password-less sudo, or the step sudo: false"
            if password
            else None,
            details="\n".join(last),
        )


def _run_variables(server: Server, context: StepContext) -> Mapping[str, str]:
    """Name what every script may want to know."""
    outputs = {
        f"INFRACI_OUTPUT_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}": value
        for name, value in context.outputs.items()
    }
    return {
        "INFRACI_SERVER": server.name,
        "INFRACI_ROLE": server.role,
        "INFRACI_ADDRESS": server.address,
        "INFRACI_RUN": context.run_id,
        "INFRACI_COMMIT": context.commit,
        **outputs,
    }


def _run(session: Session, command: str) -> None:
    session.run(command, timeout_s=_CHORE_S)
