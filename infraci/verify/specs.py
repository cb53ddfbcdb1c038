"""Starts the fork server, has it run specs, and returns a result for each check."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Self

from infraci.base.closing import Closing
from infraci.base.inherited_environment import inherited
from infraci.base.program import own_program
from infraci.base.trust import is_untrusted
from infraci.errors import UsageError
from infraci.ledger.run_folder import RunFolder
from infraci.model.run import Server, Testcase
from infraci.sandbox.confine import confined
from infraci.verify.pytest_output import Output
from infraci.verify.result_collector import ResultCollector
from infraci.verify.stack_view import Stack
from infraci.verify.task import Task

_START_S = 60.0
_END_S = 5.0


class SpecSession(Closing):
    """A fork server that runs specs. Threads may share it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, root: Path):
        self._process = process
        self._control = control
        self._root = root
        self._lock = threading.Lock()

    @classmethod
    def start(cls, root: Path) -> Self:
        """Start it for the commit's tree at ``root``; does not wait until it has preloaded."""
        near_end, far_end = socket.socketpair()
        with far_end:
            process = subprocess.Popen(
                _command(far_end),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far_end.fileno()],
                env=inherited(),
                start_new_session=True,
            )
        return cls(process, near_end, root.absolute())

    def close(self) -> None:
        """End the fork server, and every run that is still under way."""
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel may hold it up
                self._process.wait(_END_S)

    def run(
        self,
        server: Server | None,
        paths: Iterable[PurePosixPath | str],
        *,
        run_folder: RunFolder,
        timeout_s: float,
        on_testcase: Callable[[Testcase], None] | None = None,
        log: Path | None = None,
        root: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[Testcase, ...]:
        """Run the specs at ``paths`` on ``server``; blocks for about ``timeout_s`` at most.

        Without a server they test the stack itself. Returns every check that pytest collected, in
        pytest's order, whatever happens; calls ``on_testcase`` with each as it ends. Appends
        pytest's output to ``log``, without secrets.
        ``root`` is the tree of another commit than the one it was started for; ``environment``
        adds to the variables that specs inherit.
        """
        task = Task(
            server=server,
            root=self._root if root is None else root.absolute(),
            paths=tuple(map(str, paths)),
            run_folder=RunFolder(run_folder.path.absolute()),
            timeout_s=timeout_s,
            environment=environment or {},
        )
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(Output(log))
            results = ResultCollector(task, on_testcase or (lambda testcase: None))
            try:
                answers = stack.enter_context(self._ask(task, output))
            except OSError as error:
                results.broken = f"the specs' interpreter does not answer: {error}"
            else:
                results.listen(answers)
            return results.conclude(output.finish())

    def _ask(self, task: Task, output: Output) -> socket.socket:
        near_end, far_end = socket.socketpair()
        try:
            with self._lock, far_end:
                self._control.settimeout(_START_S)
                files = [far_end.fileno(), output.fileno()]
                request = task.to_json().encode() + b"\n"
                sent = socket.send_fds(self._control, [request], files)
                self._control.sendall(request[sent:])
                if not self._control.recv(1):
                    raise ConnectionError("it has died")
        except BaseException:
            near_end.close()
            raise
        return near_end


class ConfinedSpecs:
    """Runs an untrusted commit's specs, each server's by a fork server in a sandbox of its own.

    A sandbox starts only when the servers are known, since they are its network.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: nothing is open between runs."""

    def run(
        self,
        server: Server | None,
        paths: Iterable[PurePosixPath | str],
        *,
        run_folder: RunFolder,
        timeout_s: float,
        log: Path | None = None,
        root: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[Testcase, ...]:
        """See :meth:`SpecSession.run`."""
        tree = (self._root if root is None else root).absolute()
        servers: tuple[Server, ...] = () if server is None else (server,)
        with contextlib.suppress(UsageError):  # of a run that an older infraci has provisioned
            servers = (*servers, *Stack.read(run_folder).servers)
        near_end, far_end = socket.socketpair()
        with (
            far_end,
            confined(
                _command(far_end),
                cwd=tree,
                tree=tree,
                run_folder=run_folder,
                servers=servers,
                environment=inherited(),
            ) as call,
        ):
            process = subprocess.Popen(
                call.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # the commit's output belongs into the log
                pass_fds=[far_end.fileno(), *call.pass_fds],
                env=dict(call.environment),
                start_new_session=True,
            )
            far_end.close()
            with SpecSession(process, near_end, tree) as session:
                return session.run(
                    server,
                    paths,
                    run_folder=run_folder,
                    timeout_s=timeout_s,
                    log=log,
                    environment=environment,
                )


def open_specs(root: Path) -> SpecSession | ConfinedSpecs:
    """A session for the specs of the tree at ``root``; in a sandbox if it is not trusted."""
    return ConfinedSpecs(root) if is_untrusted() else SpecSession.start(root)


def _command(far_end: socket.socket) -> tuple[str, ...]:
    return (*own_program("infraci.verify.fork_server"), str(far_end.fileno()))
