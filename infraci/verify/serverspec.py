"""Runs an existing tree of Serverspec specs, unmodified, in one RSpec per server.

RSpec runs on infraci's machine; Serverspec connects to the server by the run's ``ssh_config``, with
its pinned host keys and bastions. ``serverspec.rb`` beside this file makes it do so.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from infraci.base.deadline import Deadline, duration
from infraci.base.inherited_environment import inherited
from infraci.base.lines import first_line, full_lines, last_line
from infraci.base.mask import Masker
from infraci.base.program import ProgramTimeoutError, run_program
from infraci.base.temporary import temporary_folder
from infraci.base.writing import Log
from infraci.base.xml_reader import read_xml
from infraci.diagnosis.sudo import SudoRefusedError, refusal_of
from infraci.errors import InfraciError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import ErrorKind, Outcome, Server, Testcase
from infraci.sandbox.confine import confined

_PRELUDE = Path(__file__).with_suffix(".rb")
_PACKAGES = "ruby-serverspec ruby-rspec-junit-formatter ruby-ed25519 ruby-bcrypt-pbkdf"
#: The files that mark the top of RSpec's tree; the nearest folder with one of them counts.
_TOPS = (".rspec", "Rakefile", "Gemfile", "spec")
_MISSING = re.compile(
    r"cannot load such file -- (net/ssh|specinfra|serverspec|rspec_junit_formatter|ed25519)"
    r"|unsupported key type `(ssh-ed25519)'"
)
#: Exceptions of the connection, which say nothing about the server's state.
_LOST = re.compile(
    r"^(Net::SSH::|SocketError$|IOError$|EOFError$"
    r"|Errno::(ECONN|EHOST|ENET|ETIMEDOUT|EPIPE))"
)
_EXCEPTION = re.compile(r"[\w:]*(Error|Exception):")
_LOADING = re.compile(r"^An error occurred while loading (?:\./)?(.+?)\.?$", re.MULTILINE)


class MissingServerspecError(InfraciError):
    """This machine lacks a part of Serverspec; the commit is not to blame."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"cannot run Serverspec: {what} is not installed here",
            hint=f"apt-get install {_PACKAGES}",
        )


def check_serverspec() -> None:
    """Raise MissingServerspecError if RSpec is missing."""
    if shutil.which("rspec") is None:
        raise MissingServerspecError("rspec")


def run_serverspec(
    server: Server,
    paths: Iterable[PurePosixPath],
    *,
    run_folder: RunFolder,
    root: Path,
    deadline: Deadline,
    log: Path,
    masker: Masker | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Testcase, ...]:
    """Run specs of the tree at ``root`` on a server; appends RSpec's output to ``log``.

    ``environment`` adds to the variables that specs inherit. Errors of specs or server are in the
    testcases. Raises MissingServerspecError, and what ``deadline`` raises when it is cancelled.
    """
    check_serverspec()
    by_top: dict[PurePosixPath, list[PurePosixPath]] = {}
    for path in paths:
        by_top.setdefault(_top(path, root), []).append(path)
    testcases: list[Testcase] = []
    for top, below in by_top.items():
        run = _Run(server, top, below)
        variables = _environment(server, run_folder.ssh_config, environment or {})
        testcases += run.run(variables, run_folder, root, deadline, log, masker)
    return tuple(testcases)


class _Run:
    """One run of RSpec, in the top folder of the specs' tree."""

    def __init__(self, server: Server, top: PurePosixPath, paths: Sequence[PurePosixPath]) -> None:
        self._server = server
        self._top = top
        self._paths = paths
        self._lines: list[str] = []

    def run(
        self,
        environment: Mapping[str, str],
        run_folder: RunFolder,
        root: Path,
        deadline: Deadline,
        log: Path,
        masker: Masker | None,
    ) -> list[Testcase]:
        with (
            temporary_folder("serverspec") as folder,
            Log(log, masker=masker) as file,
        ):
            junit = folder / "junit.xml"

            def on_line(line: str) -> None:
                self._lines.append(line)
                file.write(f"{line}\n")

            limit_s = deadline.remaining_s
            try:
                with confined(
                    self._command(junit),
                    cwd=root / self._top,
                    tree=root,
                    run_folder=run_folder,
                    servers=[self._server],
                    environment=environment,
                    write=folder,
                ) as call:
                    status = run_program(
                        call.command,
                        cwd=root / self._top,
                        environment=call.environment,
                        timeout_s=limit_s,
                        deadline=deadline,
                        on_line=on_line,
                        pass_fds=call.pass_fds,
                    )
            except ProgramTimeoutError:
                limit = duration(limit_s)
                reason = f"the specs of {self._server.name} did not end in {limit}"
                return [self._whole(ErrorKind.TIMEOUT, reason)]
            return self._results(status, _read(junit))

    def _command(self, junit: Path) -> list[str]:
        return [
            *("rspec", "--require", "rspec_junit_formatter", "--no-color"),
            *("--format", "RspecJunitFormatter", "--out", str(junit)),
            *("--format", "documentation"),
            "--",
            *(str(path.relative_to(self._top)) for path in self._paths),
        ]

    def _results(self, status: int, junit: ElementTree.Element | None) -> list[Testcase]:
        """The examples that RSpec reports, or why there are none."""
        output = "\n".join(self._lines)
        cases = [] if junit is None else [self._testcase(case) for case in junit.iter("testcase")]
        if status == 0 and cases:
            return cases
        if missing := _MISSING.search(output):
            raise MissingServerspecError(missing[1] or "ruby-ed25519")
        bad = [case for case in cases if case.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
        if loading := list(_LOADING.finditer(output)):
            cases += [self._unloaded(match, output) for match in loading]
        elif junit is None:
            how = f"ended with exit status {status}" if status >= 0 else "was killed"
            reason = last_line(output, "it did not say why")
            cases.append(self._whole(ErrorKind.CRASH, f"rspec {how}: {reason}"))
        elif not cases:
            cases.append(self._whole(ErrorKind.SPEC, f"no examples in {self._shown}"))
        elif not bad:  # an error outside of examples, such as in a hook
            cases.append(self._whole(ErrorKind.SETUP, f"rspec ended with exit status {status}"))
        return cases

    def _testcase(self, case: ElementTree.Element) -> Testcase:
        file = self._top / PurePosixPath(case.get("file", "")).as_posix().removeprefix("./")
        name = case.get("name", "").strip()
        failure = case.find("failure")
        known = {
            "outcome": Outcome.PASSED if case.find("skipped") is None else Outcome.SKIPPED,
            "kind": None,
            "message": "",
            "text": "",
        }
        if failure is not None:
            lost = _LOST.match(failure.get("type", ""))
            message, text = failure.get("message", ""), (failure.text or "").strip()
            if failure.get("type") == "Infraci::SudoRefusedError":
                refused = SudoRefusedError(
                    self._server.name, refusal_of(message, self._server.user)
                )
                message, text = refused.message, f"{refused.message}\n{refused.hint}\n\n{text}"
            known = {
                "outcome": Outcome.ERROR if lost else Outcome.FAILURE,
                "kind": ErrorKind.INFRASTRUCTURE if lost else None,
                "message": first_line(message),
                "text": text,
            }
        return Testcase(
            server=self._server.name,
            role=self._server.role,
            classname=".".join(file.with_suffix("").parts),
            name=name,
            nodeid=f"{file}::{name}",
            duration_s=_seconds(case.get("time", "")),
            stdout=case.findtext("system-out", "").strip(),
            stderr=case.findtext("system-err", "").strip(),
            file=file,
            **known,  # type: ignore[arg-type]
        )

    def _unloaded(self, match: re.Match[str], output: str) -> Testcase:
        """A file that RSpec could not load."""
        file = self._top / match[1]
        text = output[match.end() :].partition("\nAn error occurred")[0].strip()
        lines = full_lines(text)
        named = [n for n, line in enumerate(lines) if _EXCEPTION.fullmatch(line)]
        reason = " ".join(lines[named[0] : named[0] + 2]) if named else first_line(text)
        return self._error(ErrorKind.SPEC, str(file), f"cannot load {file}: {reason}", text, file)

    @property
    def _shown(self) -> str:
        return " ".join(map(str, self._paths))

    def _whole(self, kind: ErrorKind, message: str) -> Testcase:
        return self._error(kind, self._shown, message, "\n".join([message, "", *self._lines[-50:]]))

    def _error(
        self,
        kind: ErrorKind,
        name: str,
        message: str,
        text: str,
        file: PurePosixPath | None = None,
    ) -> Testcase:
        return Testcase(
            server=self._server.name,
            role=self._server.role,
            classname="serverspec",
            name=name,
            nodeid=name,
            outcome=kind.outcome,
            message=message,
            text=text,
            file=file,
            kind=kind,
        )


def _top(path: PurePosixPath, root: Path) -> PurePosixPath:
    """The folder to start RSpec in for these specs, where it finds spec_helper.rb."""
    folders = path.parents if (root / path).is_file() else (path, *path.parents)
    for folder in folders:
        if any((root / folder / name).exists() for name in _TOPS):
            return folder
    return PurePosixPath(".")


def _environment(
    server: Server, ssh_config: Path, environment: Mapping[str, str]
) -> Mapping[str, str]:
    known = {**inherited(), **environment}
    return {
        **known,
        "RUBYOPT": f"{known.get('RUBYOPT', '')} -r{_PRELUDE}".strip(),
        "SSH_CONFIG": str(ssh_config.absolute()),
        "TARGET_HOST": server.word,
        "INFRACI_SERVER": server.name,
        "INFRACI_ROLE": server.role,
        "LC_ALL": "C.UTF-8",
    }


def _read(junit: Path) -> ElementTree.Element | None:
    """RSpec's report, if it has written one."""
    if junit.is_symlink() or not junit.is_file():  # specs can put anything in its place
        return None
    try:
        return read_xml(junit.read_bytes())
    except (OSError, ValueError):
        return None


def _seconds(text: str) -> float:
    """A duration of RSpec's; 0 for other text, as specs can write the report themselves."""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,12})?", text, re.ASCII) else 0.0
