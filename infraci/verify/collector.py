"""Runs in the sandbox: pytest collects specs as a run would, and runs no test.

Started as ``python -m infraci.verify.collector MARK REQUEST``. Each group of specs that a run would
give to one pytest gets a process of its own here, too. What is wrong goes to the output, a
finding a line, as JSON after the mark; the last line is ``MARK done``.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server
from infraci.sandbox.bubblewrap import SCRATCH
from infraci.ssh import write_ssh_config
from infraci.verify.fork_server import load_plugins
from infraci.verify.task import Task

DONE = "done"
_COLLECTED = 77  # the exit status of a process that no module of the commit has ended
_USAGE_ERROR = 4  # pytest's exit status


def main() -> None:
    """Collect all groups, side by side."""
    mark, request = sys.argv[1], json.loads(sys.argv[2])
    load_plugins()
    from infraci.verify.check import pytest_plugins

    sys.dont_write_bytecode = True
    output = os.dup(1)
    plugins = pytest_plugins()
    children = []
    for number, group in enumerate(request["groups"]):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                write = partial(_write, output, mark)
                _collect_group(number, group, request, plugins, write)
                status = _COLLECTED
            except BaseException:  # the parent must never see this stack unwind
                os.dup2(output, 2)
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(status)
        children.append(pid)
    if {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children} == {_COLLECTED}:
        _write(output, mark, DONE)


def _write(output: int, mark: str, line: str) -> None:
    os.write(output, f"{mark} {line}\n".encode("utf-8", "backslashreplace"))


def _collect_group(
    number: int,
    group: dict[str, Any],
    request: dict[str, Any],
    plugins: Sequence[importlib.metadata.Distribution],
    write: Callable[[str], None],
) -> None:
    folder = SCRATCH / f"collect-{number}"
    folder.mkdir()
    log = folder / "log"
    file = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    root = Path(request["root"])
    os.chdir(root)
    role = group["role"]
    server = Server(name=role or "server", role=role, address="127.0.0.1", user="root", id="0")
    run_folder = RunFolder(folder)
    write_ssh_config(run_folder, [server])
    task = Task(
        server=server,
        root=root,
        paths=tuple(group["paths"]),
        run_folder=run_folder,
        timeout_s=1,
        environment=request["environment"],
    )
    from infraci.verify.check import run_pytest
    from infraci.verify.collect_plugin import CollectPlugin, SpecProblem

    findings: set[SpecProblem] = set()

    def tell(finding: SpecProblem) -> None:
        if finding not in findings:
            findings.add(finding)
            write(json.dumps(dataclasses.asdict(finding)))

    status = run_pytest(
        task,
        plugins,
        lambda lazy_stacks, arguments: CollectPlugin(task, lazy_stacks, tell, arguments),
        more=["--collect-only", "-q"],
    )
    if status == _USAGE_ERROR and not findings:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        reason = (errors or lines or ["pytest did not say why"])[-1]
        tell(SpecProblem(file=task.paths[0], message=f"pytest cannot collect it: {reason}"))


if __name__ == "__main__":
    main()
