"""Collects the results of one server's specs, and adds an error for each check without one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from infraci.base.deadline import duration
from infraci.base.json_lines import JsonLines
from infraci.base.lines import full_lines, last_line
from infraci.model.run import ErrorKind, Outcome, Testcase
from infraci.verify import task as protocol
from infraci.verify.task import Task, testcase_from_json

#: How long to wait for the process's end after the order to kill it.
_KILL_TIMEOUT_S = 5.0
#: pytest's exit statuses.
_WELL, _STOPPED, _INTERNAL_ERROR, _USAGE_ERROR, _NOTHING = 0, 2, 3, 4, 5


#: The types of the answers' values.
_KINDS: Mapping[str, Any] = {
    protocol.COLLECTED: list,
    protocol.STARTED: str,
    protocol.TESTCASE: dict,
    protocol.FINISHED: int,
    protocol.BROKEN: str,
    protocol.EXITED: int,
}


class ResultCollector:
    """Receives one run's results; each check that pytest announced gets one, whatever happens."""

    def __init__(self, task: Task, on_testcase: Callable[[Testcase], None]) -> None:
        self._task = task
        self._on_testcase = on_testcase
        self._expected: dict[str, Testcase] = {}
        self._done: list[Testcase] = []
        self._collected = False
        self._current: str | None = None
        self._finished: int | None = None
        self._exited: int | None = None
        self._timed_out = False
        self.broken = ""

    def listen(self, answers: socket.socket) -> None:
        """Take answers until the process has ended, or kill it when the time is over."""
        connection = JsonLines(answers)
        ends = time.monotonic() + self._task.timeout_s
        while self._exited is None:
            try:
                answer = connection.receive(timeout_s=max(0.0, ends - time.monotonic()))
                if answer is None:
                    return
                self._take(*answer)
            except TimeoutError:
                if self._timed_out:
                    return  # the fork server does not answer the order to kill either
                self._timed_out = True
                connection.send(protocol.KILL, None)
                ends = time.monotonic() + _KILL_TIMEOUT_S
            except (ValueError, TypeError, KeyError):
                self.broken = "the specs have written into infraci's own connection"
                return

    def _take(self, key: str, value: Any) -> None:
        if not isinstance(value, _KINDS[key]):
            raise TypeError(key)
        if key == protocol.COLLECTED:
            self._collected = True
            self._expected = {c.nodeid: c for c in map(self._own, value)}
        elif key == protocol.STARTED:
            self._current = value
        elif key == protocol.TESTCASE:
            self._add(self._own(value))
            self._current = None
        elif key == protocol.BROKEN:
            self.broken = value
        elif key == protocol.FINISHED:
            self._finished = value
        elif key == protocol.EXITED:
            self._exited = os.waitstatus_to_exitcode(value)

    def _own(self, value: dict[str, Any]) -> Testcase:
        """A testcase of this server, whatever server the specs have written into it."""
        case = testcase_from_json(value)
        texts = (case.nodeid, case.name, case.classname, case.message, case.text)
        if not all(isinstance(text, str) for text in (*texts, case.stdout, case.stderr)):
            raise TypeError("text")
        line = None if case.line is None else int(case.line)
        return replace(
            case,
            server=self._task.server_name,
            role=self._task.role,
            duration_s=float(case.duration_s),
            line=line,
        )

    def _add(self, testcase: Testcase) -> None:
        self._expected.pop(testcase.nodeid, None)
        self._done.append(testcase)
        self._on_testcase(testcase)

    def conclude(self, log: str) -> tuple[Testcase, ...]:
        """All testcases; checks without a result become errors, with the reason."""
        if self._finished == _WELL and self._collected and not (self._expected or self._done):
            return ()  # its specs are for other servers
        kind, reason, text = self._failure(log)
        if self._current is not None and self._current in self._expected:
            self._add_error(self._expected[self._current], kind, reason, text)
            reason = f"not checked: {reason}"
        for testcase in tuple(self._expected.values()):
            self._add_error(testcase, kind, reason, "")
        if not self._done and (reason or self._finished is None):
            paths = " ".join(self._task.paths)
            whole = Testcase(
                server=self._task.server_name,
                role=self._task.role,
                classname="specs",
                name=paths,
                nodeid=paths,
                outcome=Outcome.ERROR,
            )
            self._add_error(whole, kind, reason, text)
        return tuple(self._done)

    def _add_error(self, testcase: Testcase, kind: ErrorKind, message: str, text: str) -> None:
        text = f"{message}\n\n{text}" if text else message
        self._add(replace(testcase, outcome=kind.outcome, message=message, text=text, kind=kind))

    def _failure(self, log: str) -> tuple[ErrorKind, str, str]:
        """Why checks have no result: the kind, one line, and the whole text."""
        paths = " ".join(self._task.paths)
        if self._timed_out:
            limit = duration(self._task.timeout_s)
            return (
                ErrorKind.TIMEOUT,
                f"the specs of {self._task.subject} did not end in {limit}",
                log,
            )
        if self._finished == _NOTHING:
            return ErrorKind.SPEC, f"no checks in {paths}", log
        if self._finished == _INTERNAL_ERROR or self._finished == _STOPPED:
            reason = last_line(self.broken, "the specs stopped themselves")
            return ErrorKind.CRASH, reason, self.broken
        exited = self._exited
        if self._finished == _USAGE_ERROR or (exited == _USAGE_ERROR and not self._collected):
            return ErrorKind.SPEC, f"cannot load {paths}: {_reason(log)}", log
        if self._finished is not None:
            return ErrorKind.CRASH, "pytest ended without running this check", log
        return ErrorKind.CRASH, self.broken or _death(exited), log


def _death(exited: int | None) -> str:
    if exited is None:
        return "the specs' interpreter was lost"
    if exited >= 0:
        return f"the specs ended their interpreter, with exit status {exited}"
    with contextlib.suppress(ValueError):
        return f"the specs' interpreter was ended by {signal.Signals(-exited).name}"
    return f"the specs' interpreter was ended by signal {-exited}"


def _reason(log: str) -> str:
    """The line of pytest's output that tells what is wrong with a conftest.py or an option."""
    lines = full_lines(log)
    marked = [line[2:].strip() for line in lines if line.startswith("E ")]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (marked or errors or lines or ["pytest did not say why"])[-1]
