"""Starts and ends stack processes: each carries out a run while pytest tests its stack.

A stack process is a session of its own, so that Ctrl-C does not reach it. It tears down as soon as
the connection to it is closed, however pytest's process has ended.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infraci.base.invocation import invocation
from infraci.base.json_lines import JsonLines
from infraci.base.program import own_program
from infraci.errors import InfraciError
from infraci.suite import protocol
from infraci.verify.stack_view import Plan

_TAIL = 2000
#: A stack process that has ended its run, or has made nothing, needs no longer to end.
_END_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """The options of a stack process."""

    pipeline: str  # empty: that of the run
    run: str = ""  # a run whose stack stands, and is kept
    cloud: str = ""  # empty: the pipeline's, or the default
    keep: bool = False
    verbosity: int = 0

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StackOptions:
        """What :meth:`to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended."""

    properties: Mapping[str, str]  # of JUnit's suites
    failure: str = ""  # what went wrong after the tests; empty if nothing did
    cleanup: str = ""  # the command that removes what is left; empty if nothing is


class StackProcess:
    """A stack process; it plans at once, and makes nothing before :meth:`stand_up`."""

    def __init__(
        self, options: StackOptions, *, folder: Path, say: Callable[[str], object]
    ) -> None:
        self._say = say
        self._gc = invocation("gc", cloud=options.cloud)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *own_program("infraci.suite.stack_server"),
                    *(str(theirs.fileno()), options.to_json()),
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._connection = JsonLines(ours)
        self._lock = threading.Lock()  # held to receive
        self._folder: Path | None = None
        self._ending: Ending | None = None
        self._has_begun = False
        self._has_planned = False
        self.over: InfraciError | None = None  # why tests can no longer use it

    def plan(self) -> Plan:
        """The plan of the stack; blocks. Raises InfraciError where there is none."""
        with self._lock:
            plan = Plan.from_json(self._until(protocol.PLANNED))
            self._has_planned = True
            return plan

    def stand_up(self) -> Path:
        """The folder of the run whose stack stands; blocks until it does. Raises InfraciError."""
        with self._lock:
            if self._folder is None:
                if not self._has_planned:
                    self._until(protocol.PLANNED)
                self._has_begun = True
                self._connection.send(protocol.GO, None)
                self._folder = Path(self._until(protocol.READY))
            return self._folder

    def report_check(self, check: Mapping[str, Any]) -> None:
        """Send a check that has ended."""
        self._connection.send(protocol.CHECKED, check)

    def show_messages(self) -> None:
        """Show the lines that have arrived, without waiting for more."""
        with self._lock:
            while self._ending is None and self._connection.has_news:
                if self._receive() is None:
                    return

    def finish(self, status: int | None) -> None:
        """Have it end its run, with pytest's exit status, or as interrupted; does not wait."""
        if status is not None and self._has_begun:
            self._connection.send(protocol.DONE, status)
        self._connection.shut_down()

    def ending(self) -> Ending | None:
        """How the run ended; blocks until it has. None if there was none to end."""
        with self._lock:
            while self._ending is None and self._receive() is not None:
                pass
        self._reap()
        if self._ending is None and self._has_begun:
            error = self.over or self._died()
            self._ending = Ending(properties={}, failure=error.message, cleanup=self._gc)
        return self._ending

    def close(self) -> None:
        """Have it end, without waiting for a tear-down."""
        self._connection.shut_down()
        if self._ending is not None or not self._has_begun:
            self._reap()
        self._connection.close()
        self._log.close()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _reap(self) -> None:
        """Wait for the end of a process that has nothing left to do; kill one that does not end."""
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # the kernel may hold it up
                self._process.wait(_END_S)

    def _until(self, awaited: str) -> Any:
        """The value of the next message with that key. Raises InfraciError where there is none."""
        while (message := self._receive()) is not None:
            key, value = message
            if key == awaited:
                return value
            if key in (protocol.REFUSED, protocol.ENDED):
                raise self.over or InfraciError("cannot test: the run has ended")
        raise self.over or self._died()

    def _receive(self) -> tuple[str, Any] | None:
        message = self._connection.receive()
        if message is None:
            return None
        key, value = message
        if key == protocol.SHOW:
            self._say(value)
        elif key == protocol.REFUSED or key == protocol.OVER:
            self.over = protocol.error_from_json(value)
        elif key == protocol.ENDED:
            self._ending = Ending(**value)
        return message

    def _died(self) -> InfraciError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._log.seek(0)
        printed = self._log.read().decode(errors="replace").strip()[-_TAIL:]
        status = self._process.returncode
        return InfraciError(
            f"cannot test: the process {self.pid} of the stack has died, status {status}"
            + (f"\n{printed}" if printed else ""),
            hint=f"`{self._gc}` removes what it has left",
        )
