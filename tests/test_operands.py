"""No text of a commit, a server or a user is taken for an option by a program that we start.

Finds the calls in the source, so that it checks those that are added later as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

import infraci

PACKAGE = Path(infraci.__file__).parent
#: Calls that start a program, by which of their arguments is the list of its own.
STARTING = {
    "subprocess.run": 0, "subprocess.Popen": 0, "subprocess.call": 0, "subprocess.check_call": 0,
    "subprocess.check_output": 0, "os.execv": 1, "os.execvp": 1, "os.execve": 1,
    "os.posix_spawn": 1, "run_program": 0, "_process": 0,
}  # fmt: skip
#: The same, of names that others have too: only where the list is written out.
MAYBE_STARTING = {"_run": 0, "_output": 0}
#: What returns a command line.
MAKING = {"_command", "_run_command", "command"}
#: Calls that pass arguments of theirs on to a program, by the first that they do.
PASSING = {
    "git.run": 1, "git.run_bytes": 1, "git.run_in_git_dir": 1, "git.succeeds": 1, "run": 1,
    "run_bytes": 1, "run_in_git_dir": 1, "succeeds": 1, "_iptables": 0, "_podman": 0,
    "run_podman": 0,
    "_losetup": 0,
}  # fmt: skip
#: After these everything is an operand.
OPERANDS_FOLLOW = {"--", "--end-of-options"}
#: Options of which the next argument is the value, whatever it looks like.
VALUED = {
    "-F", "-netns", "--out", "--inventory", "--limit", "--extra-vars", "--cloud", "--run-file",
    "--commit", "--search",
}  # fmt: skip
#: Where something else sees to it, by file and function.
SAFE_OTHERWISE = {
    "blame/line_commits.py:_walk": "the limit is our option or ^SHA, and git has made the shas",
    "blame/synthetic_commits.py:_commit": "commits and trees are shas that git has made",
    "blame/synthetic_commits.py:_merge": "commits are shas that git has made",
    "blame/synthetic_commits.py:tree_of": "commits are shas that git has made",
    "blame/local_runs.py:_command": "the options are those of the command line, rebuilt",
    "blame/local_runs.py:run": "the command is _command's",
    "app/parallel_runs.py:_start": "the command is run_command's",
    "app/parallel_runs.py:command": "the options are those of the command line, rebuilt",
    "configure/ansible.py:_run": "the command is calling's",
    "git/git_program.py:run": "hands on what it is given",
    "git/git_program.py:run_in_git_dir": "hands on what it is given",
    "git/git_program.py:succeeds": "hands on what it is given",
    "jenkins/pushes.py:_git": "hands on what it is given",
    "local/host/capabilities.py:_output": "hands on what it is given",
    "local/host/haproxy.py:_start": "paths are absolute, the rest are numbers",
    "local/host/host_bridge.py:_close_other_firewalls": "rules and bridges' names are our own",
    "local/host/host_bridge.py:_iptables": "hands on what it is given",
    "local/host/host_bridge.py:_open_other_firewalls": "rules and bridges' names are our own",
    "local/host/image_store.py:_podman": "hands on what it is given",
    "local/host/netns.py:_ip": "namespaces are named by this room, and lines come in by stdin",
    "local/host/netns.py:_process": "hands on what it is given",
    "local/host/netns.py:nft": "namespaces are named by this room",
    "local/host/netns.py:nft_list": "namespaces, tables and maps are named by this room",
    "local/host/netns.py:processes": "namespaces are named by this room",
    "local/host/netns.py:show": "namespaces and devices are named by this room",
    "local/host/netns.py:sysctl": "namespaces are named by this room",
    "local/host/mounts.py:_run": "the file is our own, and what it is to do comes in by stdin",
    "local/host/loop_devices.py:_losetup": "hands on what it is given",
    "local/host/loop_devices.py:_run": "hands on what it is given",
    "local/host/podman_command.py:run_podman": "hands on what it is given",
    "local/host/podman.py:_run": "hands on what it is given",
    "local/host/podman.py:_update_limits": "limits are options of ours",
    "base/program.py:run_program": "hands on what it is given",
    "sandbox/relay.py:main": "the command is in_sandbox's",
    "sandbox/bubblewrap.py:in_sandbox": "paths are absolute or values; the command follows --",
    "sandbox/bubblewrap.py:run_sandboxed": "the command is in_sandbox's",
    "sandbox/bubblewrap.py:no_sandbox_reason": "the command is in_sandbox's",
    "verify/serverspec.py:run": "the command is _command's",
    "verify/specs.py:run": "the command is confined()'s",
    "verify/specs.py:start": "the command is own_program's",
}

UNKNOWN = ""

Assigned = dict[str, list[ast.expr]]


def unsafe(source: str) -> list[tuple[str, str]]:
    """The functions that start programs, each with what could be taken for an option."""
    module = ast.parse(source)
    constants = _assigned(node for node in module.body if isinstance(node, ast.Assign))
    commands = []
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        assigned = constants | _assigned(ast.walk(function))
        for node in ast.walk(function):
            command = _command_of(node, function.name, assigned)
            if _is_unsafe([text for part in command for text in _texts(part, assigned)]):
                commands.append((function.name, ast.unparse(node)))
    return commands


def _assigned(nodes: Iterable[ast.AST]) -> Assigned:
    """What names stand for."""
    values: Assigned = {}
    for node in nodes:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign):
                values.setdefault(target.id, []).append(node.value)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            values.setdefault(node.target.id, []).append(node.value)
    return values


def _command_of(node: ast.AST, function: str, assigned: Assigned) -> list[ast.expr]:
    """The parts of a program's command line without the program; empty if there is none."""
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func).replace("self._", "_", 1)
        if name in PASSING:
            return node.args[PASSING[name] :]
        if name in STARTING:
            return _parts(node.args[STARTING[name]], assigned)
        if name in MAYBE_STARTING and node.args and _is_list(node.args[0]):
            return _parts(node.args[0], assigned)
    made = node.value if isinstance(node, ast.Return) and function in MAKING else None
    if isinstance(node, ast.keyword) and node.arg == "command":
        made = node.value
    return _parts(made, assigned) if made is not None and _is_list(made) else []


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple)


def _parts(command: ast.expr, assigned: Assigned) -> list[ast.expr]:
    """What follows the program in a command line; all of one that is not written out."""
    match command:
        case ast.Name(id=name) if name in assigned:
            (command,) = assigned[name][:1]
    match command:
        case ast.List(elts=[ast.Starred(), *_] as parts):
            return parts
        case ast.Tuple(elts=[ast.Starred(), *_] as parts):
            return parts
        case ast.List(elts=[_, *parts]) | ast.Tuple(elts=[_, *parts]):
            return parts
    return [command]


def _texts(node: ast.expr, assigned: Assigned) -> Iterator[str]:
    """The arguments that an expression makes: their texts or how these begin, else UNKNOWN."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Starred(value=inner) | ast.BinOp(left=inner, op=ast.Mult()):
            yield from _texts(inner, assigned)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            yield from (text for part in parts for text in _texts(part, assigned))
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one, assigned), *_texts(other, assigned))
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            yield from _texts(inner, assigned)
        case ast.Call(func=ast.Name(id="own_program"), args=arguments):
            yield "--" if arguments else "infraci"  # only the command line has options
        case ast.Name(id=name) if name in assigned:
            rest = {other: value for other, value in assigned.items() if other != name}
            yield from (text for value in assigned[name] for text in _texts(value, rest))
        case _:
            yield UNKNOWN


def _is_unsafe(texts: Sequence[str]) -> bool:
    """Whether there is an argument that nothing is known of, where options are looked for."""
    for before, text in zip(("", *texts), texts, strict=False):
        if text in OPERANDS_FOLLOW:
            return False
        if text == UNKNOWN and before not in VALUED:
            return True
    return False


def test_operands_follow_two_dashes() -> None:
    commands = [
        (f"{path.relative_to(PACKAGE)}:{function}", call)
        for path in sorted(PACKAGE.rglob("*.py"))
        for function, call in unsafe(path.read_text())
    ]
    assert [(name, call) for name, call in commands if name not in SAFE_OTHERWISE] == []
    assert SAFE_OTHERWISE.keys() == {name for name, _ in commands}  # none is listed without need


@pytest.mark.parametrize(
    ("call", "is_safe"),
    [
        ('subprocess.run(["ssh", "-F", config, name])', False),
        ('subprocess.run(["ssh", "-F", config, "--", name])', True),
        ('os.execv(ssh, [ssh, "-F", config, "--", name])', True),
        ('git.run(root, "rev-parse", name)', False),
        ('git.run(root, "rev-parse", f"{name}^1")', False),
        ('git.run(root, "rev-parse", f"refs/{name}")', True),
        ('git.run(root, "rev-parse", "--end-of-options", name)', True),
        ('words = ["fetch", name]; git.run(root, *words)', False),
        ('words = ["fetch", "--", name]; git.run(root, *words)', True),
        ('subprocess.run([*own_program(), "run", name])', False),
        ('subprocess.run([*own_program("infraci.local.service"), name])', True),
        ("subprocess.run(name)", False),
        ("_run(name)", True),
        ('words = ["ssh", name]; subprocess.run(words)', False),
        ('Call(command=("ssh", name))', False),
        ('_podman(["rm", *(f"--x={name}" for name in names)])', True),
        ('_podman("rm", *(name for name in names))', False),
    ],
)
def test_the_test(call: str, is_safe: bool) -> None:
    assert (unsafe(f"def f(root, name, names): {call}") == []) is is_safe
