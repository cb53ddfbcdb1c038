"""The ``script`` step: runs a script of the commit on the server."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from infraci.base.scripts import find_flaw
from infraci.configure.remote_folder import Ended, Program, run_pushed, run_variables
from infraci.configure.script_line import line_of, without_location
from infraci.configure.step import Applied, Step, StepError, StepOutsideError, StepRun
from infraci.configure.step_failure import needs_sudo, step_cause, step_error
from infraci.diagnosis.reason import plain_lines
from infraci.errors import raise_of_machine
from infraci.model.configure_steps import ScriptStep
from infraci.model.run import Server
from infraci.model.secret import reveal_all
from infraci.ssh import Session


class Script(Step):
    """Runs one script."""

    may_reboot = True

    def __init__(self, options: ScriptStep) -> None:
        self._options = options
        self.name = options.title
        self.roles = options.roles

    def apply(self, session: Session, server: Server, run: StepRun) -> Applied:
        """Run it; what it has changed are the lines that the step's ``changed_when`` is in."""
        content = self._read(server, run)
        program = Program(
            what=str(self._options.path),
            files=lambda folder: {self._file: content},
            lines=lambda folder: [self._line(content, folder)],
            environment={
                **run_variables(server, run),
                **reveal_all(self._options.environment),
            },
            timeout_s=self._options.timeout_s,
            sudo=self._options.sudo,
            without_sudo="let the step do without (sudo: false)",
        )
        with run_pushed(program, session, server, run) as ended:
            if ended.exit_status != 0:
                raise self._failed(ended, content, server, run)
        mark = self._options.changed_when
        changes = tuple(line.strip() for line in ended.lines if mark and mark in line)
        return Applied(changes=changes)

    @property
    def _file(self) -> str:
        return PurePosixPath(self._options.path).name

    def _read(self, server: Server, run: StepRun) -> bytes:
        path = self._options.path
        try:
            content = (run.root / path).read_bytes()
        except OSError as error:
            raise_of_machine(error)
            raise StepError(f"{server.name}: {path} cannot be read: {error.strerror}") from error
        if (flaw := find_flaw(content)) is not None:
            raise StepError(f"{server.name}: {path} cannot be run: {flaw}")
        return content

    def _line(self, content: bytes, folder: str) -> str:
        """The interpreter and at most one argument, as the kernel splits a script's first line."""
        shebang = content.partition(b"\n")[0][2:].decode(errors="replace").strip()
        script = f"{folder}/{self._file}"
        return f"exec {shlex.join([*shebang.split(maxsplit=1), script, *self._options.arguments])}"

    def _failed(
        self, ended: Ended, content: bytes, server: Server, run: StepRun
    ) -> StepError | StepOutsideError:
        script = content.decode(errors="replace")
        cause = step_cause(ended.text, own_hosts=run.own_hosts, source=script)
        line = line_of(self._file, script, plain_lines(ended.text), cause.text)
        more = [f"line {line}"] if line else []
        more += [] if cause.is_sure else [ended.how]
        reason = without_location(self._file, cause.text) + (
            f" ({', '.join(more)})" if more else ""
        )
        return step_error(
            f"{server.name}: {self._options.path} failed: {reason}",
            is_outside=cause.is_outside,
            hint=needs_sudo(server, ended.text),
            details=f"{ended.last}\n({ended.how})".lstrip(),
        )
