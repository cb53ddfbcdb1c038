"""The pytest plugin of one server's run: sends the result of each check as it ends.

:mod:`infraci.verify.hosts` gives it its server, as in any other pytest.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest

from infraci.base.lines import last_line
from infraci.model.run import ErrorKind, Outcome, Testcase
from infraci.verify import task as protocol
from infraci.verify.addopts import without_clashes
from infraci.verify.hosts import StackSource, register
from infraci.verify.modules import keep_apart
from infraci.verify.outcome import CheckReports, classname_of
from infraci.verify.task import Task, testcase_to_json

Send = Callable[[str, object], object]


class SpecPlugin:
    """One server's run; ``send`` takes each answer (see :mod:`infraci.verify.task`)."""

    def __init__(
        self, task: Task, source: StackSource, send: Send, *, arguments: Sequence[str]
    ) -> None:
        self._task = task
        self._source = source
        self._send = send
        self._arguments = list(arguments)  # infraci's own, which end pytest's
        self._checks: dict[str, CheckReports] = {}
        self._items: dict[str, Mapping[str, Any]] = {}
        self._left_out: list[str] = []

    # -- configuration ---------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(
        self, early_config: pytest.Config, parser: pytest.Parser, args: list[str]
    ) -> None:
        """Leave out the repository's options that would break the run; keep modules apart."""
        repository_arguments = args[: len(args) - len(self._arguments)]

        def parse(options: list[str]) -> tuple[Sequence[str], Sequence[str]]:
            known, unknown = parser.parse_known_and_unknown_args(
                options, namespace=copy.copy(early_config.option)
            )
            return known.file_or_dir, unknown

        kept, left_out = without_clashes(repository_arguments, parse)
        self._left_out = left_out
        args[:] = [*kept, *self._arguments]
        confcutdir = early_config.known_args_namespace.confcutdir
        early_config.known_args_namespace = parser.parse_known_args(
            args, namespace=copy.copy(early_config.option)
        )
        early_config.known_args_namespace.confcutdir = confcutdir
        keep_apart(early_config)

    def pytest_report_header(self) -> list[str]:
        """Name the options that were left out in the log."""
        return [f"infraci: left out of addopts: {' '.join(self._left_out)}"][: len(self._left_out)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Register the plugin that gives tests the one server."""
        self._hosts = register(config, self._source)

    # -- collection ------------------------------------------------------------------------

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report what cannot be collected: an error, or a skip of a whole module."""
        if report.passed:
            return
        reason = _skip_reason(report.longrepr)
        text = report.longreprtext
        self._send_testcase(
            self._testcase(
                nodeid=report.nodeid,
                name=report.nodeid.rpartition("/")[2] or report.nodeid,
                classname=classname_of(report.nodeid),
                outcome=ErrorKind.SPEC.outcome if report.failed else Outcome.SKIPPED,
                message=f"cannot collect {report.nodeid}: {_last_line(text)}"
                if report.failed
                else reason,
                text=text if report.failed else reason,
                kind=ErrorKind.SPEC if report.failed else None,
            )
        )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Send the checks to come, so that none can get lost."""
        for item in session.items:
            _, line, _ = item.location
            self._items[item.nodeid] = {
                "nodeid": item.nodeid,
                "name": item.name,
                "classname": classname_of(item.nodeid),
                "file": PurePosixPath(item.nodeid.split("::")[0]),
                "line": None if line is None else line + 1,
            }
        checks = [
            testcase_to_json(self._testcase(**known, outcome=Outcome.ERROR))
            for known in self._items.values()
        ]
        self._send(protocol.COLLECTED, checks)

    # -- the checks ------------------------------------------------------------------------

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A check begins."""
        self._checks[nodeid] = CheckReports()
        self._send(protocol.STARTED, nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a phase of the check reports."""
        self._checks.setdefault(report.nodeid, CheckReports()).add(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Send the check's result."""
        reports = self._checks.pop(nodeid, None)
        if reports is not None and nodeid in self._items:
            self._send_testcase(self._testcase(**self._items[nodeid], **reports.verdict()))

    # -- the end ---------------------------------------------------------------------------

    def pytest_internalerror(self, excrepr: object) -> None:
        """Send an internal error of pytest's."""
        self._send(protocol.BROKEN, str(excrepr))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Send why the specs stopped themselves."""
        self._send(protocol.BROKEN, f"the specs stopped themselves: {excinfo.value}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Send that pytest has ended; a run whose tests are all for other servers has passed."""
        nothing = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._hosts.any_left_out
        self._send(protocol.FINISHED, int(pytest.ExitCode.OK if nothing else exitstatus))

    def _testcase(self, **known: Any) -> Testcase:
        return Testcase(server=self._task.server_name, role=self._task.role, **known)

    def _send_testcase(self, testcase: Testcase) -> None:
        self._send(protocol.TESTCASE, testcase_to_json(testcase))


def _skip_reason(longrepr: object) -> str:
    reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr or "")
    return reason.removeprefix("Skipped: ")


def _last_line(text: str) -> str:
    return last_line(text, "no reason given").removeprefix("E ").strip()
