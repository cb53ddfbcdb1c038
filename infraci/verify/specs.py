"""The near side: asks the warm interpreter for runs, and makes sure that no check gets lost."""

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
    """A warm interpreter that specs are run in. Threads may share it."""

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket, root: Path):
        self._process = process
        self._control = control
        self._root = root
        self._lock = threading.Lock()

    @classmethod
    def start(cls, root: Path) -> Self:
        """Start it for the commit's tree at ``root``; does not wait until it is warm."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                _command(theirs),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=inherited(),
                start_new_session=True,
            )
        return cls(process, ours, root.absolute())

    def close(self) -> None:
        """End it, and every run that is still under way."""
        self._control.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # of one that the kernel holds up
                self._process.wait(_END_S)

    def run(
        self,
        server: Server,
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

        Every check that pytest collected comes back, in pytest's order, whatever happens.
        ``on_testcase`` gets each as it ends. What pytest prints is appended to ``log``, without
        secrets. ``root`` is the tree of another commit than the one it was started for;
        ``environment`` is what the pipeline gives the specs besides what they inherit.
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
            account = ResultCollector(task, on_testcase or (lambda testcase: None))
            try:
                answers = stack.enter_context(self._ask(task, output))
            except OSError as error:
                account.broken = f"the specs' interpreter does not answer: {error}"
            else:
                account.listen(answers)
            return account.conclude(output.finish())

    def _ask(self, task: Task, output: Output) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            with self._lock, theirs:
                self._control.settimeout(_START_S)
                files = [theirs.fileno(), output.fileno()]
                request = task.to_json().encode() + b"\n"
                sent = socket.send_fds(self._control, [request], files)
                self._control.sendall(request[sent:])
                if not self._control.recv(1):
                    raise ConnectionError("it has died")
        except BaseException:
            ours.close()
            raise
        return ours


class ConfinedSpecs:
    """Specs of an untrusted commit: each server's have an interpreter in a sandbox of their own.

    It cannot be warm before the servers are known, which are its network.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open between runs."""

    def run(
        self,
        server: Server,
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
        servers: tuple[Server, ...] = (server,)
        with contextlib.suppress(UsageError):  # of a run that an older infraci has provisioned
            servers = (server, *Stack.read(run_folder).servers)
        ours, theirs = socket.socketpair()
        with (
            theirs,
            confined(
                _command(theirs),
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
                stderr=subprocess.DEVNULL,  # what is the commit's belongs into the log
                pass_fds=[theirs.fileno(), *call.pass_fds],
                env=dict(call.environment),
                start_new_session=True,
            )
            theirs.close()
            with SpecSession(process, ours, tree) as session:
                return session.run(
                    server,
                    paths,
                    run_folder=run_folder,
                    timeout_s=timeout_s,
                    log=log,
                    environment=environment,
                )


def open_specs(root: Path) -> SpecSession | ConfinedSpecs:
    """What runs the specs of the commit's tree at ``root``, as much as it is trusted."""
    return ConfinedSpecs(root) if is_untrusted() else SpecSession.start(root)


def _command(theirs: socket.socket) -> tuple[str, ...]:
    return (*own_program("infraci.verify.fork_server"), str(theirs.fileno()))
