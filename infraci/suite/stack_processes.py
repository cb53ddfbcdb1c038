"""The keepers of all stacks of a pytest session; of its processes only the controller has them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from infraci.base.json_lines import Message
from infraci.errors import InfraciError
from infraci.suite.protocol import told
from infraci.suite.stack_process import StackOptions, StackProcess
from infraci.suite.xdist_broker import ANSWER, ASK_STACK, ERROR
from infraci.verify.stack_view import Plan


class StackProcesses:
    """Starts keepers when they are asked for; see ``infraci.suite.suite_stacks.StackSource``.

    Threads share it.
    """

    def __init__(self, wish: StackOptions, *, folder: Path, say: Callable[[str], object]) -> None:
        self._wish = wish
        self._folder = folder
        self._say = say
        self._lock = threading.RLock()
        self._idle: dict[str, list[StackProcess]] = {}  # that have only planned, by pipeline
        self._plans: dict[str, Plan] = {}
        self._kept: dict[str, StackProcess] = {}  # by the stack's key
        self.main: Plan | None = None

    def plan_main(self, key: str) -> None:
        """Plan what the command line asks for, if it does. Raises InfraciError."""
        if self._wish.run or self._wish.pipeline:
            keeper = self._kept[key] = self._start(self._wish)
            self.main = keeper.plan()

    def plan(self, pipeline: str) -> Plan:
        """A pipeline's plan, the same for everybody. Raises InfraciError."""
        with self._lock:
            if pipeline not in self._plans:
                keeper = self._start(self._of(pipeline))
                self._idle.setdefault(pipeline, []).append(keeper)
                self._plans[pipeline] = keeper.plan()
            return self._plans[pipeline]

    def stand_up(self, key: str, pipeline: str) -> Path:
        """The folder of the stack's run; blocks until it stands. Raises InfraciError."""
        with self._lock:
            if key not in self._kept:
                idle = self._idle.get(pipeline)
                self._kept[key] = idle.pop() if idle else self._start(self._of(pipeline))
            keeper = self._kept[key]
        return keeper.stand_up()

    def _start(self, wish: StackOptions) -> StackProcess:
        return StackProcess(wish, folder=self._folder, say=self._say)

    def _of(self, pipeline: str) -> StackOptions:
        return replace(self._wish, pipeline=pipeline, run="")

    def kept(self) -> Mapping[str, StackProcess]:
        """Those of stacks, by the stacks' keys."""
        with self._lock:
            return dict(self._kept)

    def close(self) -> None:
        """Leave none without orders; those that have made something tear it down."""
        with self._lock:
            for keeper in (*self._kept.values(), *itertools.chain(*self._idle.values())):
                keeper.close()

    def answer(self, key: str, value: Any) -> Message:
        """What a worker asks; see :mod:`infraci.suite.xdist_broker`."""
        try:
            if key == ASK_STACK:
                return ANSWER, str(self.stand_up(*value))
            return ANSWER, self.plan(value).to_json()
        except InfraciError as error:
            return ERROR, told(error)
