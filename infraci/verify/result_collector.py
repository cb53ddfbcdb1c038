"""What is heard of one server's specs, and the account given of those never heard of."""

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
from infraci.verify import task as words
from infraci.verify.task import Task, testcase_from_json

#: After the order to kill, the answer that it is dead comes soon; else it is taken for granted.
_BURIAL_S = 5.0
#: pytest's exit statuses.
_WELL, _STOPPED, _INTERNAL_ERROR, _USAGE_ERROR, _NOTHING = 0, 2, 3, 4, 5


#: What the answers hold.
_KINDS: Mapping[str, Any] = {
    words.COLLECTED: list,
    words.STARTED: str,
    words.TESTCASE: dict,
    words.FINISHED: int,
    words.BROKEN: str,
    words.EXITED: int,
}


class ResultCollector:
    """Hears one run out; every check that pytest announced is in it, whatever happens."""

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
                    return  # told to die, it did not even answer that
                self._timed_out = True
                connection.send(words.KILL, None)
                ends = time.monotonic() + _BURIAL_S
            except (ValueError, TypeError, KeyError):
                self.broken = "the specs have written into infraci's own connection"
                return

    def _take(self, key: str, value: Any) -> None:
        if not isinstance(value, _KINDS[key]):
            raise TypeError(key)
        if key == words.COLLECTED:
            self._collected = True
            self._expected = {c.nodeid: c for c in map(self._own, value)}
        elif key == words.STARTED:
            self._current = value
        elif key == words.TESTCASE:
            self._add(self._own(value))
            self._current = None
        elif key == words.BROKEN:
            self.broken = value
        elif key == words.FINISHED:
            self._finished = value
        elif key == words.EXITED:
            self._exited = os.waitstatus_to_exitcode(value)

    def _own(self, value: dict[str, Any]) -> Testcase:
        """A testcase, which is of this server whatever the specs have made of it."""
        case, server = testcase_from_json(value), self._task.server
        texts = (case.nodeid, case.name, case.classname, case.message, case.text)
        if not all(isinstance(text, str) for text in (*texts, case.stdout, case.stderr)):
            raise TypeError("text")
        line = None if case.line is None else int(case.line)
        return replace(
            case,
            server=server.name,
            role=server.role,
            duration_s=float(case.duration_s),
            line=line,
        )

    def _add(self, testcase: Testcase) -> None:
        self._expected.pop(testcase.nodeid, None)
        self._done.append(testcase)
        self._on_testcase(testcase)

    def conclude(self, log: str) -> tuple[Testcase, ...]:
        """Account for what was never heard of."""
        if self._finished == _WELL and self._collected and not (self._expected or self._done):
            return ()  # its specs are for other servers
        kind, reason, text = self._trouble(log)
        if self._current is not None and self._current in self._expected:
            self._add_error(self._expected[self._current], kind, reason, text)
            reason = f"not checked: {reason}"
        for testcase in tuple(self._expected.values()):
            self._add_error(testcase, kind, reason, "")
        if not self._done and (reason or self._finished is None):
            paths = " ".join(self._task.paths)
            whole = Testcase(
                server=self._task.server.name,
                role=self._task.server.role,
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

    def _trouble(self, log: str) -> tuple[ErrorKind, str, str]:
        """Say why checks are missing: kind, one line, and the whole story."""
        paths, server = " ".join(self._task.paths), self._task.server.name
        if self._timed_out:
            limit = duration(self._task.timeout_s)
            return ErrorKind.TIMEOUT, f"the specs of {server} did not end in {limit}", log
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
    """Find the line that says it in what pytest prints of a conftest.py or an option."""
    lines = full_lines(log)
    said = [line[2:].strip() for line in lines if line.startswith("E ")]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (said or errors or lines or ["pytest did not say why"])[-1]
