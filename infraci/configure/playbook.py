"""Calls ``ansible-playbook`` on the run's servers, without settings of the user's."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from infraci.base.inherited_environment import inherited
from infraci.base.lines import first_line, last_line
from infraci.base.temporary import temporary_folder
from infraci.base.trust import is_untrusted
from infraci.errors import ConfigureError
from infraci.ledger.run_folder import RunFolder
from infraci.model.configure_steps import AnsibleStep
from infraci.model.problem import Problem
from infraci.model.run import Server
from infraci.model.secret import MissingSecretError, reveal_all
from infraci.sandbox.bubblewrap import SCRATCH, Sandboxed, run_sandboxed
from infraci.sandbox.confine import confined

_SSH = Path(__file__).with_name("ansible-ssh")
_CALLBACKS = Path(__file__).parent / "ansible_callback"
_CHECK_S = 60.0
_CHECK_LINES = 1000
_CHORE_S = 5.0
_FORKS = 20
#: How long Ansible waits for sudo, less two seconds. Where a server's resolver is dead, sudo takes
#: 12.4 s to give up on the server's own name; Ansible's own 10 s end just before that.
#: It tries again after that (ANSIBLE_SSH_RETRIES), so that more would let a refusal take minutes.
_TIMEOUT_S = 20
#: A socket's path may have 107 characters.
_LONGEST_PLACE = 20
#: "[ERROR]: reason", or "ERROR! reason" before 2.19.
_ERROR = re.compile(r"^(?:\[ERROR\]: |ERROR! )(.+)$", re.MULTILINE)
#: "Origin: FILE:LINE:COLUMN", or "in 'FILE': line LINE, column COLUMN" before 2.19.
_ORIGIN = re.compile(
    r"(?:^Origin: |in ')(.+?)(?::|': line )(\d+)(?::|, column )(\d+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookRun:
    """The run that a playbook is for."""

    servers: Sequence[Server]  # all of the stack's
    limit: Sequence[Server]  # those that the step is for
    run_folder: RunFolder
    outputs: Mapping[str, object]
    run_id: str
    commit: str
    mark: str  # what the lines of the callback's events begin with


@contextmanager
def calling(options: AnsibleStep, root: Path, playbook_run: PlaybookRun) -> Iterator[Sandboxed]:
    """The call that runs the playbook. Its files on disk are private, and removed at the end."""
    with temporary_folder("ansible", parent=_short_folder()) as folder:
        _write(folder / "inventory.yaml", inventory(playbook_run))
        _write(folder / "variables.json", json.dumps(_extra_variables(options, playbook_run)))
        limit = ",".join([*(server.word for server in playbook_run.limit), "localhost"])
        call = _call(options, root, folder, scratch=SCRATCH if is_untrusted() else folder)
        try:
            with confined(
                (
                    *call.command,
                    *("--inventory", str(folder / "inventory.yaml"), "--limit", limit),
                    *("--extra-vars", f"@{folder / 'variables.json'}"),
                    *(("--become",) if options.sudo else ()),
                    *((f"--tags={','.join(options.tags)}",) if options.tags else ()),
                    *((f"--skip-tags={','.join(options.skip_tags)}",) if options.skip_tags else ()),
                    *("--", str(options.playbook)),
                ),
                cwd=root,
                tree=root,
                run_folder=playbook_run.run_folder,
                servers=playbook_run.servers,
                read=[folder],
                environment={
                    **call.environment,
                    "ANSIBLE_STDOUT_CALLBACK": "infraci_events",
                    "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
                    "INFRACI_MARK": playbook_run.mark,
                    "INFRACI_RUN": playbook_run.run_id,
                    "INFRACI_COMMIT": playbook_run.commit,
                },
            ) as confined_call:
                yield confined_call
        finally:
            _close_connections(folder / "ssh")


def check_playbook(options: AnsibleStep, root: Path) -> tuple[Problem, ...]:
    """What Ansible finds wrong with a playbook without running it, such as a missing role.

    Ansible loads the commit's own code (plugins, scripts of its ansible.cfg), so it runs in a
    sandbox. A playbook that needs secrets cannot be checked without them. Raises ConfigureError
    where there is no Ansible, NoSandboxError, and ProgramTimeoutError after too much time or
    output.
    """
    lines: deque[str] = deque(maxlen=_CHECK_LINES)
    with temporary_folder("ansible") as folder:
        try:
            call = _call(options, root, folder, scratch=SCRATCH)
        except MissingSecretError:
            return ()
        status = run_sandboxed(
            [
                *call.command,
                *("--syntax-check", "--inventory", "localhost,"),
                *("--", str(options.playbook)),
            ],
            cwd=root,
            read=[root, folder],
            environment=call.environment,
            timeout_s=_CHECK_S,
            on_line=lines.append,
        )
    return (_problem("\n".join(lines), options, root),) if status else ()


def first_error(output: str) -> str:
    """The error that Ansible names in its output; the last line if it names none."""
    match = _ERROR.search(output)
    if match is None:
        return last_line(output, "it did not say why")
    reason = match[1].strip().removesuffix(".")
    is_vague = reason == "Unable to retrieve file contents"
    return first_line(output[match.end() :], reason) if is_vague else reason


def error_location(output: str) -> str:
    """Where Ansible says that the error is, as FILE:LINE; empty if it does not say."""
    match = _ORIGIN.search(output)
    return f"{match[1]}:{match[2]}" if match else ""


def inventory(playbook_run: PlaybookRun) -> str:
    """The servers in groups by role; who logs in to each, and what is known of the run."""
    hosts = {
        server.word: {
            "ansible_user": server.user,
            "infraci_server": server.name,
            "infraci_role": server.role,
            "infraci_address": server.address,
        }
        for server in playbook_run.servers
    }
    groups: dict[str, dict[str, dict[str, None]]] = {}
    for server in playbook_run.servers:
        if server.role:
            groups.setdefault(server.role, {"hosts": {}})["hosts"][server.word] = None
    known = {
        "infraci_run": playbook_run.run_id,
        "infraci_commit": playbook_run.commit,
        "infraci_outputs": _unsafe(playbook_run.outputs),
    }
    return yaml.dump({"all": {"hosts": hosts, "children": groups, "vars": known}}, Dumper=_Dumper)


class _Unsafe(str):
    """Text that Ansible must not take for a template."""

    __slots__ = ()


def _unsafe(value: object) -> object:
    """The value with every text in it marked, whatever it is made of."""
    if isinstance(value, Mapping):
        return {str(name): _unsafe(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unsafe(inner) for inner in value]
    return _Unsafe(value) if isinstance(value, str) else value


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"')
)


def _extra_variables(options: AnsibleStep, playbook_run: PlaybookRun) -> Mapping[str, object]:
    """The step's own variables, and those that no group_vars or ansible.cfg may change: host keys
    stay pinned, and servers are reached as the run reaches them.
    """  # noqa: D205
    folder = playbook_run.run_folder
    ssh = [
        *("-F", str(folder.ssh_config.absolute())),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", f"UserKnownHostsFile={folder.known_hosts.absolute()}"),
        *("-o", "ControlMaster=auto", "-o", "ControlPersist=60s"),
    ]
    return {
        **options.variables,
        "ansible_ssh_args": shlex.join(ssh),
        "ansible_ssh_executable": str(_SSH),
        "ansible_host_key_checking": True,
        "ansible_ssh_host_key_checking": True,
    }


def _call(options: AnsibleStep, root: Path, folder: Path, *, scratch: Path) -> Sandboxed:
    """What every call begins with: ``folder`` has what Ansible reads, it writes to ``scratch``."""
    command = [_program(options)]
    if options.vault_password is not None:
        _write(folder / "vault", options.vault_password.reveal())
        command.append(f"--vault-password-file={folder / 'vault'}")
    _write(folder / "ansible.cfg", "")
    config = _nearest_config(options, root)
    paths = {}
    if options.roles_path or config is None:
        roles = [root / path for path in options.roles_path] or [root / "roles"]
        paths["ANSIBLE_ROLES_PATH"] = _joined(roles)
    if options.collections_path or config is None:
        collections = [root / path for path in options.collections_path] or [root / "collections"]
        paths["ANSIBLE_COLLECTIONS_PATH"] = _joined(
            [*collections, Path("/usr/share/ansible/collections")]
        )
    return Sandboxed(
        command=tuple(command),
        environment={
            **inherited(),
            "ANSIBLE_CONFIG": str(config or folder / "ansible.cfg"),
            "ANSIBLE_FORKS": str(_FORKS),
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
            "ANSIBLE_SSH_RETRIES": "2",
            **({} if _sets_timeout(config) else {"ANSIBLE_TIMEOUT": str(_TIMEOUT_S)}),
            "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS": "ignore",
            **paths,
            **reveal_all(options.environment),
            "ANSIBLE_HOME": str(scratch / "home"),
            "ANSIBLE_LOCAL_TEMP": str(scratch / "local"),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(scratch / "ssh"),
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        },
    )


def _program(options: AnsibleStep) -> str:
    """The ``ansible-playbook`` of this Python's environment, else of the search path."""
    own = Path(sys.executable).parent / "ansible-playbook"
    program = str(own) if own.exists() else shutil.which("ansible-playbook")
    if program is None:
        raise ConfigureError(
            f"cannot run the playbook {options.playbook}: ansible-playbook is not installed here",
            hint="pip install 'infraci[ansible]', where infraci runs",
        )
    return program


def _nearest_config(options: AnsibleStep, root: Path) -> Path | None:
    """The ``ansible.cfg`` of the tree that is nearest to the playbook."""
    folders = [root / folder for folder in options.playbook.parents]
    return next((f / "ansible.cfg" for f in folders if (f / "ansible.cfg").is_file()), None)


def _sets_timeout(config: Path | None) -> bool:
    """Whether an ``ansible.cfg`` says how long Ansible waits."""
    if config is None:
        return False
    parser = configparser.RawConfigParser(strict=False)
    with suppress(configparser.Error, OSError, UnicodeError):
        parser.read(config)
    return any(parser.has_option(name, "timeout") for name in ("defaults", "ssh_connection"))


def _problem(output: str, options: AnsibleStep, root: Path) -> Problem:
    match = _ORIGIN.search(output)
    file, line, column = match.groups() if match else (str(root / options.playbook), 1, 1)
    return Problem(
        file=file.removeprefix(f"{root}/"),
        line=int(line),
        column=int(column),
        message=f"Ansible cannot read it: {first_error(output).replace(f'{root}/', '')}",
    )


def _close_connections(sockets: Path) -> None:
    """End the connections that ssh keeps for the next task."""
    for socket in sockets.glob("*"):
        with suppress(subprocess.SubprocessError, OSError):
            subprocess.run(
                ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "nobody"],
                capture_output=True,
                timeout=_CHORE_S,
                check=False,
            )


def _short_folder() -> str:
    """Where temporary files go; the paths of ssh's sockets must not become too long there."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_PLACE else "/tmp"  # noqa: S108


def _joined(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
