"""The plugin of the pytest that has the stack processes: plans, sends checks, ends the runs."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

import pytest
from _pytest.junitxml import xml_key

from infraci.base.invocation import in_folder, invocation
from infraci.errors import ExitCode, InfraciError
from infraci.model.run import ErrorKind, Outcome
from infraci.suite import xdist_broker
from infraci.suite.stack_process import StackOptions, StackProcess
from infraci.suite.stack_processes import StackProcesses
from infraci.verify.lazy_stack import LazyStack
from infraci.verify.outcome import CheckReports, classname_of

#: What the stack of the command line is called among the stacks.
MAIN = ""


class PytestController:
    """The plugin of pytest in the process that has the stacks."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.processes = StackProcesses(
            _stack_options(config), folder=config.rootpath, say=self._say
        )
        self.lazy_stacks: Mapping[str, LazyStack] = {}  # those of this process's own tests
        self._checks: dict[str, CheckReports] = {}
        self._check_fields: dict[str, Mapping[str, Any]] = {}
        self._finished: set[str] = set()
        self._misused = self._interrupted = False
        self._errors: list[str] = []
        self._kept: list[str] = []

    # -- the beginning -----------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Plan, before any worker has to know."""
        try:
            self.processes.plan_main(MAIN)
        except InfraciError as error:
            message = f"{error.message}\n{error.hint or ''}".strip()
            if error.exit_code is ExitCode.INVALID:
                raise pytest.UsageError(message) from error
            pytest.exit(message, returncode=pytest.ExitCode.INTERNAL_ERROR)

    def pytest_report_header(self) -> list[str]:
        """Say which servers there will be."""
        plan = self.processes.main
        if plan is None:
            return []
        names = ", ".join(server.name for server in plan.servers)
        return [f"infraci: {plan.title}: {names}"]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember a misuse, which makes the exit status."""
        self._misused = self._misused or "infraci_misuse" in report.__dict__

    # -- the checks --------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Notice a stack that is lost, and tear down one that only this module has used."""
        for key, process in self.processes.in_use().items():
            process.show_messages()
            if process.over is not None and key in self.lazy_stacks:
                self.lazy_stacks[key].lost(process.over)
        done = yield
        if nextitem is None or nextitem.path != item.path:
            for key, lazy_stack in self.lazy_stacks.items():
                if key.endswith(f" {item.nodeid.partition('::')[0]}"):
                    lazy_stack.close()
                    self._finish(key, pytest.ExitCode.OK)
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what a phase of a check reports, wherever it has run."""
        self._checks.setdefault(report.nodeid, CheckReports()).add(report)
        if fields := report.__dict__.get("infraci"):
            self._check_fields[report.nodeid] = fields
        elif report.when not in ("setup", "call", "teardown") and MAIN in self.processes.in_use():
            self._check_fields[report.nodeid] = _crashed(report)  # with its worker
            self.pytest_runtest_logfinish(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Send what became of a check to the process of its stack."""
        reports, fields = self._checks.pop(nodeid, None), self._check_fields.pop(nodeid, None)
        if reports is not None and fields is not None:
            process = self.processes.in_use().get(fields["stack"])
            if process is not None:
                process.report_check({**reports.verdict(), **fields})

    # -- the end -----------------------------------------------------------------------------

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Distinguish Ctrl-C and ``pytest.exit`` from a session that ends early (``-x``)."""
        error = excinfo.value
        self._interrupted = type(error) is KeyboardInterrupt or isinstance(
            error, pytest.exit.Exception
        )

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Have the runs end, before any report is written."""
        for lazy_stack in self.lazy_stacks.values():
            lazy_stack.close()
        try:
            for key in self.processes.in_use():
                self._finish(key, exitstatus)
            for key, process in self.processes.in_use().items():
                self._conclude(key, process)
        except KeyboardInterrupt:
            self._abandon()
        if self._misused:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif self._errors and exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what has gone wrong beside the tests."""
        for line in self._kept:
            terminalreporter.write_line(line)
        for error in self._errors:
            terminalreporter.section("infraci", red=True)
            terminalreporter.write_line(error)

    def pytest_unconfigure(self) -> None:
        """End the stack processes, however the session has ended."""
        self.processes.close()

    def _finish(self, key: str, exitstatus: int) -> None:
        """Let a run end; once."""
        if key in self._finished:
            return
        self._finished.add(key)
        orderly = not self._interrupted and exitstatus != pytest.ExitCode.INTERNAL_ERROR
        self.processes.in_use()[key].finish(exitstatus if orderly else None)

    def _conclude(self, key: str, process: StackProcess) -> None:
        ending = process.ending()
        if ending is None:
            return
        cleanup = self._typed(ending.cleanup)
        if ending.failure:
            self._errors.append(f"{ending.failure}\nclean up by: {cleanup}")
        elif ending.cleanup:
            self._kept.append(f"infraci: the stack stands; remove it by: {cleanup}")
        if junit := self._config.stash.get(xml_key, None):
            prefix = "" if key == MAIN or len(self.processes.in_use()) == 1 else f"{key}."
            for name, value in ending.properties.items():
                junit.add_global_property(f"{prefix}{name}", value)

    def _abandon(self) -> None:
        """Interrupted once more: the stack processes tear down, and pytest does not wait."""
        self.processes.close()
        pids = ", ".join(str(process.pid) for process in self.processes.in_use().values())
        self._errors.append(
            f"the tear-down goes on in process {pids}, and pytest does not wait for it\n"
            f"`{self._typed(invocation('list'))}` shows whether anything is left"
        )

    def _typed(self, command: str) -> str:
        """A command, as it is to be typed where pytest was started."""
        here = self._config.invocation_params.dir
        return in_folder(command, self._config.rootpath, here=here)

    def _say(self, line: str) -> None:
        """Show a line of a run's progress, whatever captures output now."""
        plugins = self._config.pluginmanager
        terminal = plugins.get_plugin("terminalreporter")
        capture = plugins.get_plugin("capturemanager")
        if terminal is None:
            return
        with ExitStack() as shown:
            # Threads ask for workers only, while no test of this process runs that is captured.
            if capture is not None and threading.current_thread() is threading.main_thread():
                shown.enter_context(capture.global_and_fixture_disabled())
            writer = self._config.get_terminal_writer()
            if writer.width_of_current_line:  # after xdist's dots
                writer.line()
            terminal.write_line(f"infraci {line}")


def controller_of(config: pytest.Config) -> PytestController:
    """The plugin, registered when first asked for. Raises pytest.UsageError."""
    controller: PytestController | None = config.pluginmanager.get_plugin(xdist_broker.CONTROLLER)
    if controller is None:
        controller = PytestController(config)
        config.pluginmanager.register(controller, xdist_broker.CONTROLLER)
    return controller


def _stack_options(config: pytest.Config) -> StackOptions:
    option = config.option
    option_name = "--infraci" if option.infraci else "--infraci-run"
    if (option.infraci or option.infraci_run) and getattr(option, "hosts", None):
        raise pytest.UsageError(
            f"cannot take both {option_name} and --hosts: the one stands servers up, the other "
            "names some that stand; leave one out"
        )
    if option.infraci_run and option.infraci_cloud:
        raise pytest.UsageError(
            "cannot take both --infraci-run and --infraci-cloud: a run's stack is on its cloud; "
            "leave --infraci-cloud out"
        )
    return StackOptions(
        pipeline=option.infraci or "",
        run=option.infraci_run or "",
        cloud=option.infraci_cloud or "",
        keep=option.infraci_keep,
        verbosity=max(-1, min(1, option.verbose)),
    )


def _crashed(report: pytest.TestReport) -> Mapping[str, Any]:
    """What is known of a check whose worker has died: it comes to no report of its own."""
    return {
        "stack": MAIN,
        "server": "",
        "role": "",
        "classname": classname_of(report.nodeid),
        "name": report.nodeid.rpartition("::")[2],
        "nodeid": report.nodeid,
        "file": PurePosixPath(report.nodeid.partition("::")[0]).as_posix(),
        "line": None,
        "outcome": Outcome.ERROR,
        "kind": ErrorKind.CRASH,
        "message": report.longreprtext.strip().partition("\n")[0],
    }
