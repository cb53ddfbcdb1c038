"""Every call that may block has a limit, or a reason here why it needs none of its own.

The calls are known by their names, so that some are named here that block for no time at all: it
is little to say so. What blocks in the files of Python and of libraries is not seen, but by the
arguments that they are given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import infraci

ROOT = Path(infraci.__file__).parent

#: These block until something happens, unless they are given a limit: as the first argument,
#: where the method takes nothing else, or by name.
WITHOUT_ARGUMENTS = frozenset({
    "accept", "acquire", "communicate", "get", "join", "poll", "read", "readline", "readlines",
    "recv", "result", "serve_forever", "shutdown", "wait",
})  # fmt: skip
#: These do whatever else they are given.
ALWAYS = frozenset({
    "Popen", "ThreadPoolExecutor", "communicate", "create_connection", "exec_command", "flock",
    "invoke_shell", "invoke_subsystem", "lockf", "open_sftp", "recv", "recv_fds", "recv_into",
    "select", "send_fds", "sendall", "urlopen", "waitid", "waitpid",
})  # fmt: skip
#: The same of these modules' functions, whose names say too little.
OF_MODULES = {
    "subprocess": frozenset({"run", "call", "check_call", "check_output"}),
    "os": frozenset({"read", "wait"}),
    "requests": frozenset({"get", "post", "put", "delete", "request"}),
    "smtplib": frozenset({"SMTP", "SMTP_SSL"}),
}
#: Lines of these come when another process writes them.
_STREAMS = frozenset({"stdin", "stdout", "stderr", "rfile"})
#: With so many, the last one of select.select is its limit.
_SELECT_ARGUMENTS = 4
LIMITS = frozenset({"timeout", "timeout_s"})

_POLLED = "what poll(2) has found ready is there"
_AT_ONCE = "it does not wait (LOCK_NB, LOCK_UN, WNOHANG, or a limit of zero)"
_FILE = "of a file, or of a socket whose timeout urlopen was given"
_READ_FROM_HEAT = "asks Heat, with a limit for each answer"
_RUN = "a run of infraci's, whose phases all have limits"
_STARTED = "Popen returns at once; its end is waited for elsewhere"
_SOCKET = "the socket has a timeout (settimeout)"
_PEER = "the other end is a process of ours that answers in limits of its own; its death is an end"

_RELAY = "a thread of the relay's, whose sockets end with the command that it is for"

#: File and function: call: why it needs no limit.
ALLOWED: Mapping[str, Mapping[str, str]] = {
    "blame/local_runs.py _Processes.run": {"Popen": _STARTED, "wait": _RUN},
    "blame/local_runs.py _Processes.__exit__": {"wait": _RUN},
    "app/checkout.py preloading": {"join": "imports end, or nothing of infraci works"},
    "commands/hook.py receive": {"read": "git closes it when it has named what was pushed"},
    "app/cloud_opening.py image_maker.make": {"result": "podman has a limit there"},
    "app/parallel_runs.py ParallelRuns.run": {"get": _RUN},
    "app/parallel_runs.py ParallelRuns._start": {"Popen": _STARTED},
    "app/parallel_runs.py ParallelRuns._follow": {"for": _RUN},
    "heat/cloud.py Cloud.events": {"read": _READ_FROM_HEAT},
    "heat/events.py Follower.read_now_and_then": {"read": _READ_FROM_HEAT},
    "heat/events.py Follower.skip": {"read": _READ_FROM_HEAT},
    "heat/stack_watch.py Watch.events": {"read": _READ_FROM_HEAT},
    "jenkins/hooks.py flush_in_background": {"Popen": "it is not waited for at all"},
    "ledger/ledger.py Ledger.lock": {"read": _FILE},
    "local/any_cloud.py is_meant": {"get": "a variable of the thread, not a queue"},
    "local/lock_holder.py find_holder": {"read": _FILE},
    "local/domain/servers.py Servers._start": {
        "ThreadPoolExecutor": "it runs nft, which has a limit",
        "result": "it runs nft, which has a limit",
    },
    "local/host/server_sockets.py ServerSockets._serve": {
        "accept": "the thread is for that; close() ends it",
        "sendall": _SOCKET,
    },
    "local/host/server_sockets.py _line": {"recv": _SOCKET},
    "local/host/mount_process.py _words": {"read": "the kernel has the words, or none"},
    "local/host/haproxy.py Haproxy._ask": {"sendall": _SOCKET, "read": _SOCKET},
    "local/host/host.py Host.remove": {
        "ThreadPoolExecutor": "podman has a limit there",
        "result": "podman has a limit there",
    },
    "local/cloud_process.py _first_line": {"poll": "makes a poll object", "read": _POLLED},
    "local/cloud_process.py _reap": {"waitpid": _AT_ONCE},
    "local/cloud_process.py _last_line": {"read": _FILE},
    "local/cloud_process.py _answer": {"read": _FILE},
    "base/json_lines.py JsonLines._wait": {"poll": "it is given the limit of receive()"},
    "base/json_lines.py JsonLines.receive": {"recv": _POLLED},
    "base/json_lines.py JsonLines.send": {"sendall": _PEER},
    "base/locks.py lock_file": {"flock": _AT_ONCE},
    "base/locks.py is_locked": {"flock": _AT_ONCE},
    "base/parallel.py _Slot.take": {"wait": "each piece of work has limits of its own"},
    "plan/sandboxed_checks.py examine": {
        "ThreadPoolExecutor": "Ansible and pytest have limits there",
        "result": "Ansible and pytest have limits there",
    },
    "plan/pipeline_plan.py plan_pipeline": {
        "ThreadPoolExecutor": "Ansible and pytest have limits there",
        "result": "Ansible and pytest have limits there",
    },
    "base/program.py run_program": {"Popen": _STARTED},
    "base/program.py _read": {"poll": "looks, or makes a poll object", "read": _POLLED},
    "base/program.py _end": {"poll": _AT_ONCE},
    "sandbox/relay.py _serve": {"recv_fds": _RELAY, "select": _RELAY},
    "sandbox/relay.py _accept": {"accept": _POLLED},
    "sandbox/relay.py _connect": {
        "create_connection": "it is given a limit by place",
        "join": _RELAY,
    },
    "sandbox/relay.py _pump": {"recv": _RELAY, "sendall": _RELAY},
    "sandbox/relay.py main": {"send_fds": _PEER},
    "ssh/connection.py _PromptSocket.recv": {"recv": "paramiko's own thread, ended by a close"},
    "ssh/session.py Session._follow": {"poll": "makes a poll object"},
    "ssh/session.py drain": {"recv": "recv_ready() has found something"},
    "ssh/attach.py _Pump.turn": {"read": _POLLED},
    "ssh/shell.py Shell.run": {"sendall": _SOCKET},
    "ssh/shell.py Shell._follow": {"poll": "makes a poll object"},
    "suite/xdist_broker.py Broker.pytest_unconfigure": {
        "shutdown": "serve_forever looks 20 times a second"
    },
    "suite/stack_process.py StackProcess.__init__": {"Popen": _STARTED},
    "suite/stack_process.py StackProcess._died": {"read": _FILE},
    "templates/tosca/translate.py _Translator.translation": {
        "read": "of definitions, not of a file"
    },
    "templates/tosca/translator_process.py _plain": {
        "result": "a function of TOSCA's, not a future"
    },
    "verify/server_connection.py ServerConnection.session": {
        "result": "the login that it waits for has a limit"
    },
    "verify/server_connection.py _close_opened": {"result": "it is called when there is one"},
    "verify/collector.py main": {"waitpid": "the sandbox around it has a limit"},
    "verify/specs.py ConfinedSpecs.run": {"Popen": _STARTED},
    "verify/specs.py SpecSession.start": {"Popen": _STARTED},
    "verify/specs.py SpecSession._ask": {"send_fds": _SOCKET, "sendall": _SOCKET, "recv": _SOCKET},
    "verify/pytest_output.py Output._read": {"poll": "makes a poll object", "read": _POLLED},
    "verify/fork_server.py _Server.serve": {"select": "it serves until its parent's socket closes"},
    "verify/fork_server.py _Server._request": {
        "recv_fds": _POLLED,
        "recv": _PEER,
        "sendall": _PEER,
    },
    "verify/fork_server.py _Server._reap": {
        "recv": "the socket does not block",
        "waitid": _AT_ONCE,
        "waitpid": "waitid has found it ended",
    },
}


def blocking_calls(source: str) -> Iterator[tuple[str, str]]:
    """The function and the name of each call in a module that may block without a limit."""

    def search(node: ast.AST, inside: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Call) and (name := _blocking(node)):
            yield ".".join(inside), name
        if isinstance(node, ast.For | ast.comprehension) and _is_stream(node.iter):
            yield ".".join(inside), "for"
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inside = (*inside, node.name)
        for child in ast.iter_child_nodes(node):
            yield from search(child, inside)

    yield from search(ast.parse(source), ())


def _is_stream(expression: ast.expr) -> bool:
    """Whether it is a stream, or a stream that may be None: ``process.stdout or ()``."""
    if isinstance(expression, ast.BoolOp):
        expression = expression.values[0]
    return isinstance(expression, ast.Attribute) and expression.attr in _STREAMS


def _blocking(call: ast.Call) -> str:
    """The name of a call without a limit; empty for others."""
    function = call.func
    owner = ""
    if isinstance(function, ast.Attribute):
        name = function.attr
        owner = function.value.id if isinstance(function.value, ast.Name) else ""
    elif isinstance(function, ast.Name):
        name = function.id
    else:
        return ""
    if LIMITS & {keyword.arg for keyword in call.keywords}:
        return ""
    if name == "select" and len(call.args) == _SELECT_ARGUMENTS:
        return ""
    is_method = isinstance(function, ast.Attribute)
    if (
        name in ALWAYS
        or (is_method and name in WITHOUT_ARGUMENTS and not call.args)
        or name in OF_MODULES.get(owner, ())
    ):
        return name
    return ""


def waits_of_infraci() -> dict[str, set[str]]:
    """All such calls of infraci, by file and function."""
    calls: dict[str, set[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        for function, name in blocking_calls(path.read_text()):
            location = f"{path.relative_to(ROOT)} {function}".strip()
            calls.setdefault(location, set()).add(name)
    return calls


def test_no_call_waits_without_limit() -> None:
    unexplained = {
        f"{location}: {name}()"
        for location, names in waits_of_infraci().items()
        for name in names - set(ALLOWED.get(location, ()))
    }
    assert unexplained == set(), "give them a timeout, or a reason here"


def test_each_reason_is_for_a_call_that_there_is() -> None:
    calls = waits_of_infraci()
    stale = {
        f"{location}: {name}()"
        for location, names in ALLOWED.items()
        for name in set(names) - calls.get(location, set())
    }
    assert stale == set()
    assert all(names for names in ALLOWED.values())


@pytest.mark.parametrize(
    "statement",
    [
        "subprocess.run(command, check=False)",
        "process.wait()",
        "process.communicate(text)",
        "thread.join()",
        "pipe.readline()",
        "end.recv(1)",
        "listener.accept()",
        "things.get()",
        "fcntl.flock(file, fcntl.LOCK_EX)",
        "urllib.request.urlopen(url)",
        "event.wait()",
        "condition.wait()",
        "future.result()",
        "lock.acquire()",
        "os.waitpid(pid, 0)",
        "requests.get(url)",
        "channel.exec_command(command)",
        "for line in process.stdout: pass",
    ],
)
def test_a_call_without_a_limit_is_seen(statement: str) -> None:
    (call,) = blocking_calls(f"class A:\n    def b(self):\n        {statement}")
    assert call[0] == "A.b"


@pytest.mark.parametrize(
    "statement",
    [
        "subprocess.run(command, timeout=5)",
        "process.wait(5)",
        "process.communicate(timeout=5)",
        "', '.join(words)",
        "mapping.get(key)",
        "things.get(timeout=5)",
        "event.wait(left_s)",
        "os.path.join(a, b)",
    ],
)
def test_a_call_with_a_limit_is_not(statement: str) -> None:
    assert list(blocking_calls(statement)) == []
