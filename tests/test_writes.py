"""All that infraci writes goes through the masker, or has a reason here why it need not.

Text goes to files by ``infraci/base/writing.py``, to the user by ``infraci/base/terminal.py``, to
the ledger by ``infraci/model/record_json.py``. A call that opens a file for writing, writes one,
or prints is listed here with what it writes; a new one fails the test until it says why it holds
no secret.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import infraci

ROOT = Path(infraci.__file__).parent

#: Calls that write, or open a file to write to, whatever they are given.
WRITERS = frozenset({
    "NamedTemporaryFile", "TemporaryFile", "copy2", "copyfile", "copytree", "echo", "create_file",
    "mkstemp", "print", "replace_file", "secho", "write_bytes", "write_text",
})  # fmt: skip
#: These do with a mode that writes.
OPENERS = frozenset({"fdopen", "open"})
#: And the method ``write`` of these.
STREAMS = frozenset({"stdout", "stderr"})

_MASKED = "what it writes is masked right there"
_OWN = "text of infraci's own, in which nothing of a run is"
_LOCK = "a lock: a process's number"
_FIELDS = "masked field by field, by masked_record or Result"
_COPY = "a copy of what was masked when it was written"
_COMMIT = "the commit's own file, as it is in the repository"
_PRIVATE = "a private file for a program, removed with its folder; it has to hold the secrets"
_CLOUD = "the embedded cloud's own files, in its state folder (0700)"
_NULL = "/dev/null"

#: File and function: call: why it needs no masker of its own.
ALLOWED: Mapping[str, Mapping[str, str]] = {
    "alerts/alert_state.py save": {"replace_file": "shas, branches and pipelines of reports"},
    "blame/local_runs.py _Processes.run": {
        "open": "what `infraci run` prints, which it masks itself"
    },
    "base/atomic.py _draft": {"fdopen": "what replace_file() and create_file() are given"},
    "cli.py _say_bug": {"NamedTemporaryFile": _MASKED},
    "cli.py main": {"open": _NULL},
    "app/execute_run.py _load": {"write_text": _FIELDS},
    "app/record_history.py remember": {"write_text": _FIELDS},
    "commands/report.py _write": {"copytree": _COPY, "write_text": _FIELDS},
    "app/ci_reports.py publish": {"copyfile": _COPY},
    "app/checkout.py _prepare": {"replace_file": _OWN},
    "report/table.py print_table": {"print": "render_table() makes names fit to be shown"},
    "app/execute_run.py _write_id": {"write_text": "the run's id"},
    "configure/ansible_callback/infraci_events.py _send": {
        "write": "to the run's process, which masks it"
    },
    "configure/playbook.py _write": {"write_text": _PRIVATE},
    "configure/remote_folder.py archive": {"open": "an archive in memory, for the server"},
    "git/export.py export_working_tree": {"copy2": _COMMIT},
    "jenkins/hooks.py flush_in_background": {"open": "what `infraci hook` prints, masked there"},
    "jenkins/hooks.py install": {"replace_file": _OWN},
    "ledger/ledger.py Ledger._ignore": {"replace_file": _OWN},
    "ledger/ledger.py Ledger._write": {"replace_file": _FIELDS},
    "ledger/ownership.py _make_id": {"create_file": "a random id"},
    "local/host/capabilities.py _enforces": {"write_text": "a limit, to the kernel"},
    "local/host/image_store.py _bootstrap": {"write_bytes": _OWN, "write_text": _OWN},
    "local/state_dir.py StateDir._overwrite": {"open": _CLOUD},
    "local/state_dir.py StateDir._write": {"replace_file": _CLOUD},
    "local/host/podman.py Podman._filter_options": {"replace_file": _CLOUD},
    "local/host/podman.py Podman.resize": {"write_text": _CLOUD},
    "local/host/podman.py _write_seed": {"write_bytes": _CLOUD},
    "local/cloud_process.py _start": {"open": _CLOUD},
    "local/host/haproxy.py Haproxy.apply": {"write_text": "ids and addresses, in a folder (0700)"},
    "local/host/haproxy.py Haproxy._save_state": {"write_text": "haproxy's own, to be read by it"},
    "local/host/object_files.py ObjectFiles._write": {"fdopen": _CLOUD},
    "local/host/recipe.py overlay": {"open": _OWN},
    "local/host/mount_process.py ServerView.limit_devices": {
        "write_text": "a process id, to the kernel",
    },
    "local/host/mount_process.py main": {"print": "numbers and the kernel's words, to this room"},
    "local/host/disk_space.py DiskSpace._hold_reserve": {"open": _LOCK},
    "local/host/volume_files.py VolumeFiles._resize": {"open": "a size, of a disk of zeros"},
    "local/service.py _tell": {"open": _NULL},
    "progress/live.py LiveProgress._print": {"print": "all that it is given was shown() before"},
    "sandbox/relay.py _unshare": {"write_text": "numbers of users, to the kernel"},
    "report/junit.py write_junits": {"replace_file": _FIELDS},
    "sandbox/bubblewrap.py _copied": {"copyfile": _PRIVATE},
    "sandbox/bubblewrap.py _etc": {"write_text": _OWN},
    "sandbox/bubblewrap.py _write_entry": {"write_text": _PRIVATE},
    "sandbox/child.py main": {"write_text": "a score, to the kernel"},
    "ssh/config.py generate_key": {"replace_file": "a key pair, in the run's private folder"},
    "ssh/config.py write_ssh_config": {"replace_file": "names, addresses, host keys"},
    "suite/stack_process.py StackProcess.__init__": {
        "TemporaryFile": "what a run prints, masked there"
    },
    "base/locks.py open_lock": {"open": _LOCK},
    "base/terminal.py say": {"echo": _MASKED},
    "base/terminal.py say_json": {"echo": _MASKED},
    "verify/collector.py _collect_group": {"open": "a file in the sandbox's memory"},
    "verify/stack_view.py Stack.write": {
        "replace_file": "its outputs are masked by the provision phase"
    },
    "verify/fork_server.py _rehearse": {"open": _NULL},
    "verify/fork_server.py _preload": {"write_text": _OWN},
    "base/writing.py Log.__init__": {"open": _MASKED},
    "base/writing.py write_text": {"write_text": _MASKED},
}


def writing_calls(source: str) -> Iterator[tuple[str, str]]:
    """The function and the name of each call in a module that writes a file, or prints."""

    def search(node: ast.AST, inside: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Call) and (name := _writing(node)):
            yield ".".join(inside), name
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = (*inside, node.name)
        for child in ast.iter_child_nodes(node):
            yield from search(child, inside)

    yield from search(ast.parse(source), ())


def _writing(call: ast.Call) -> str:
    """The name of a call that writes; empty for others."""
    function = call.func
    if isinstance(function, ast.Name):
        name, owner = function.id, None
    elif isinstance(function, ast.Attribute):
        name, owner = function.attr, function.value
    else:
        return ""
    if name in WRITERS and not _is_ours(name, owner):
        return name
    if name == "write" and isinstance(owner, ast.Attribute) and owner.attr in STREAMS:
        return name
    return name if name in OPENERS and _has_writing_mode(call) else ""


def _is_ours(name: str, owner: ast.expr | None) -> bool:
    """Whether it is the function of ``infraci/base/writing.py``, which is imported by its name."""
    return name == "write_text" and owner is None


def _has_writing_mode(call: ast.Call) -> bool:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    for argument in arguments:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            mode = argument.value.replace(":gz", "")
            if set(mode) <= set("rwaxbt+") and set(mode) & set("wax+"):
                return True
        if {"O_WRONLY", "O_RDWR", "O_CREAT"} & {
            node.attr for node in ast.walk(argument) if isinstance(node, ast.Attribute)
        }:
            return True
    return False


def writes_of_infraci() -> dict[str, set[str]]:
    """All such calls of infraci, by file and function."""
    calls: dict[str, set[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        for function, name in writing_calls(path.read_text()):
            location = f"{path.relative_to(ROOT)} {function}".strip()
            calls.setdefault(location, set()).add(name)
    return calls


def test_nothing_is_written_past_the_masker() -> None:
    unexplained = {
        f"{location}: {name}()"
        for location, names in writes_of_infraci().items()
        for name in names - set(ALLOWED.get(location, ()))
    }
    assert unexplained == set(), (
        "write by infraci.base.writing or infraci.base.terminal, or say why here"
    )


def test_each_reason_is_for_a_call_that_there_is() -> None:
    calls = writes_of_infraci()
    stale = {
        f"{location}: {name}()"
        for location, names in ALLOWED.items()
        for name in set(names) - calls.get(location, set())
    }
    assert stale == set()


@pytest.mark.parametrize(
    "statement",
    [
        "path.write_text(text)",
        "replace_file(path, text)",
        "path.write_bytes(content)",
        "path.open('a')",
        "open(path, mode='w')",
        "os.fdopen(descriptor, 'wb')",
        "os.open(path, os.O_RDWR | os.O_CREAT)",
        "tempfile.NamedTemporaryFile('w')",
        "shutil.copyfile(one, other)",
        "click.echo(text)",
        "print(text)",
        "sys.stdout.write(text)",
        "sys.stderr.write(text)",
    ],
)
def test_a_call_that_writes_is_seen(statement: str) -> None:
    (call,) = writing_calls(f"class A:\n    def b(self):\n        {statement}")
    assert call[0] == "A.b"


@pytest.mark.parametrize(
    "statement",
    ["path.read_text()", "path.open('rb')", "write_text(path, text)", "log.write(line)"],
)
def test_a_call_that_does_not_is_not(statement: str) -> None:
    assert list(writing_calls(statement)) == []
