"""The stack processes of a pytest session; with pytest-xdist the controller has them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infraci.base.json_lines import Message
from infraci.errors import InfraciError
from infraci.suite.protocol import error_to_json
from infraci.suite.stack_process import StackOptions, StackProcess
from infraci.suite.xdist_broker import ANSWER, ASK_STACK, ERROR
from infraci.verify.stack_view import Plan


class StackProcesses:
    """Starts stack processes when they are needed. Threads share it.

    See ``infraci.suite.suite_stacks.RemoteStacks``.
    """

    def __init__(
        self, options: StackOptions, *, folder: Path, say: Callable[[str], object]
    ) -> None:
        self._options = options
        self._folder = folder
        self._say = say
        self._lock = threading.RLock()
        self._idle: dict[str, list[StackProcess]] = {}  # that have only planned, by pipeline
        self._plans: dict[str, Plan] = {}
        self._in_use: dict[str, StackProcess] = {}  # by the stack's key
        self.main: Plan | None = None

    def plan_main(self, key: str) -> None:
        """Plan what the command line asks for, if it does. Raises InfraciError."""
        if self._options.run or self._options.pipeline:
            process = self._in_use[key] = self._start(self._options)
            self.main = process.plan()

    def plan(self, pipeline: str) -> Plan:
        """A pipeline's plan, made once. Raises InfraciError."""
        with self._lock:
            if pipeline not in self._plans:
                process = self._start(self._of(pipeline))
                self._idle.setdefault(pipeline, []).append(process)
                self._plans[pipeline] = process.plan()
            return self._plans[pipeline]

    def stand_up(self, key: str, pipeline: str) -> Path:
        """The folder of the stack's run; blocks until it stands. Raises InfraciError."""
        with self._lock:
            if key not in self._in_use:
                idle = self._idle.get(pipeline)
                self._in_use[key] = idle.pop() if idle else self._start(self._of(pipeline))
            process = self._in_use[key]
        return process.stand_up()

    def _start(self, options: StackOptions) -> StackProcess:
        return StackProcess(options, folder=self._folder, say=self._say)

    def _of(self, pipeline: str) -> StackOptions:
        return replace(self._options, pipeline=pipeline, run="")

    def in_use(self) -> Mapping[str, StackProcess]:
        """The stack processes in use, by the keys of their stacks."""
        with self._lock:
            return dict(self._in_use)

    def close(self) -> None:
        """End all; those that have made a stack tear it down."""
        with self._lock:
            for process in (*self._in_use.values(), *itertools.chain(*self._idle.values())):
                process.close()

    def answer(self, key: str, value: Any) -> Message:
        """Answer a worker; see :mod:`infraci.suite.xdist_broker`."""
        try:
            if key == ASK_STACK:
                return ANSWER, str(self.stand_up(*value))
            return ANSWER, self.plan(value).to_json()
        except InfraciError as error:
            return ERROR, error_to_json(error)
