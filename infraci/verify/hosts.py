"""The pytest plugin that gives tests their stacks and servers.

Testinfra itself parametrises ``host``; this plugin sets the servers for each test.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator
from typing import Any, Protocol

import pytest
import testinfra.host

from infraci.base.lines import first_line
from infraci.diagnosis.sudo import SudoRefusedError
from infraci.errors import InfraciError, UsageError
from infraci.model.run import ErrorKind, Server
from infraci.verify.backend import ServerBackend
from infraci.verify.lazy_stack import LazyStack, ServerHandle
from infraci.verify.marker import NAME, MisuseError, choice_of
from infraci.verify.outcome import classname_of, error_kind
from infraci.verify.server_connection import ServerConnection
from infraci.verify.stack_view import PlannedServer

#: The plugin's registered name, by which infraci/suite/entry.py finds it.
PLUGIN = "infraci-hosts"
_HOST = "_testinfra_host"
_FIXTURES = frozenset({"infraci_stack", "infraci_cloud", "infraci_servers", "infraci_server"})

Node = pytest.Item | pytest.Collector


class StackSource(Protocol):
    """Provides the stacks of this process's tests."""

    def main(self) -> LazyStack | None:
        """The stack of all tests whose module has none of its own; None without such a stack."""

    def own(self, pipeline: str, *, scope: str, module: str) -> LazyStack | None:
        """A module's own stack; None where this process does not run such modules.

        Raises InfraciError.
        """


class HostPlugin:
    """Gives tests the servers of a :class:`StackSource`.

    With ``strict``, one misused marker keeps all tests from running, also where pytest goes on.
    """

    def __init__(self, source: StackSource, *, strict: bool) -> None:
        self._source = source
        self._strict = strict
        self._misused = False
        self._known: set[LazyStack] = set()
        self.any_left_out = False  # whether any test is for other servers only

    # -- what tests are for ------------------------------------------------------------------

    def stack_of(self, node: Node) -> LazyStack | None:
        """The stack that a test or module is for. Raises MisuseError and InfraciError."""
        choice = choice_of(node)
        if choice.stack:
            module = node.nodeid.partition("::")[0]
            lazy_stack = self._source.own(choice.stack, scope=choice.scope, module=module)
        else:
            lazy_stack = self._source.main()
        if lazy_stack is not None:
            self._known.add(lazy_stack)
        return lazy_stack

    def chosen(self, node: Node, lazy_stack: LazyStack) -> tuple[PlannedServer, ...]:
        """The servers that a test is for. Raises MisuseError."""
        return choice_of(node).of(lazy_stack.plan, lazy_stack.plan.servers_for(node.path))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None]:
        """Set Testinfra's hosts to the test's servers, whatever the module or options set."""
        node = metafunc.definition
        try:
            lazy_stack = self.stack_of(node)
            chosen = () if lazy_stack is None else self.chosen(node, lazy_stack)
        except (MisuseError, InfraciError) as error:
            raise Misuse(_with_position(node, error)) from error
        if lazy_stack is None or _HOST not in metafunc.fixturenames:
            return (yield)
        here = lazy_stack.testable(chosen) or lazy_stack.testable(lazy_stack.plan.servers)
        if not here:  # Testinfra would test this machine
            raise Misuse(_with_position(node, MisuseError("the stack has no server for `host`")))
        urls = [lazy_stack.handle(server).url for server in here]
        option = metafunc.config.option
        before, option.hosts = option.hosts, ",".join(urls)
        try:
            return (yield)
        finally:
            option.hosts = before

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[Any]:
        """Mark the report of a misused marker, which decides pytest's exit status."""
        report = yield
        error = getattr(getattr(report, "call", None), "excinfo", None)
        if error is not None and isinstance(error.value, Misuse):
            report.__dict__["infraci_misuse"] = self._misused = True
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect tests for servers that this process does not test."""
        stop = self._misused and self._strict
        kept = [item for item in items if not stop and self._is_here(item)]
        if len(kept) < len(items):
            self.any_left_out = True
            here = set(kept)
            config.hook.pytest_deselected(items=[item for item in items if item not in here])
            items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell each stack the servers of its tests, so that it connects to them early."""
        handles = [handle for item in session.items if (handle := _parameter_of(item)) is not None]
        for lazy_stack in {handle.lazy_stack for handle in handles}:
            lazy_stack.await_tests(handle for handle in handles if handle.lazy_stack is lazy_stack)

    def _is_here(self, item: pytest.Item) -> bool:
        handle = _parameter_of(item)
        if handle is None:
            return True
        try:
            return handle.planned in self.chosen(item, handle.lazy_stack)
        except MisuseError as error:  # in a parameter's own marker
            raise pytest.UsageError(_with_position(item, error)) from error

    # -- running them ------------------------------------------------------------------------

    def handle_of(self, item: pytest.Item) -> ServerHandle | None:
        """The server that a test looks at; None if it uses no host of a stack."""
        if _HOST not in getattr(item, "fixturenames", ()):
            return None
        return _parameter_of(item) or self.only_handle_of(item)

    def only_handle_of(self, node: Node) -> ServerHandle | None:
        """The only server of a test that cannot be parametrised; None if there are several."""
        lazy_stack = self.stack_of(node)
        if lazy_stack is None:
            return None
        servers = lazy_stack.testable(self.chosen(node, lazy_stack))
        return lazy_stack.handle(servers[0]) if len(servers) == 1 else None

    def stack_needed_by(self, item: pytest.Item) -> LazyStack | None:
        """The stack without which a test cannot run."""
        handle = self.handle_of(item)
        if handle is not None:
            return handle.lazy_stack
        names = getattr(item, "fixturenames", ())
        return None if _FIXTURES.isdisjoint(names) else self.stack_of(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Stand the stack up before the test begins, so that this is no part of its duration."""
        lazy_stack = self.stack_needed_by(item)
        if lazy_stack is not None:
            lazy_stack.prepare()
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Stand the stack up and connect to the server before the check's set-up, or fail."""
        stack = choice_of(item).stack
        if stack and self.stack_of(item) is None:
            pytest.skip(f"for a stack of its own, of pipeline {stack}")
        lazy_stack = self.stack_needed_by(item)
        if lazy_stack is not None:
            os.environ["INFRACI_SSH_CONFIG"] = str(lazy_stack.folder().ssh_config)
        handle = self.handle_of(item)
        if handle is not None:
            server = handle.server
            os.environ.update(INFRACI_SERVER=server.name, INFRACI_ROLE=server.role)
            handle.connection.begin_check()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record in the report what kind of failure it is, and of which stack and server."""
        report = yield
        if report.failed and call.excinfo is not None:
            _classify(report, call.excinfo.value, call.when)
        lazy_stack = self.stack_needed_by(item)
        if lazy_stack is not None:
            handle = self.handle_of(item)
            report.__dict__["infraci"] = _about(item, lazy_stack, handle)
            if handle is not None and handle.existing_connection is not None:
                _report_sudo(item, report, call, handle.existing_connection)
        return report

    def pytest_sessionfinish(self) -> None:
        """End the connections."""
        for lazy_stack in self._known:
            lazy_stack.close()

    # -- fixtures ------------------------------------------------------------------------------

    def servers_of(self, node: Node) -> tuple[Server, ...]:
        """The servers that a test is for; stands the stack up if need be."""
        lazy_stack = self.stack_of(node)
        if lazy_stack is None:
            return ()
        return tuple(lazy_stack.handle(server).server for server in self.chosen(node, lazy_stack))


class Misuse(pytest.Collector.CollectError):
    """A misused marker, which pytest reports without a traceback."""


def register(config: pytest.Config, source: StackSource, *, strict: bool = False) -> HostPlugin:
    """Register the plugin for a source's stacks."""
    plugin = HostPlugin(source, strict=strict)
    config.pluginmanager.register(plugin, PLUGIN)
    config.pluginmanager.register(sys.modules[__name__], f"{PLUGIN}-fixture")
    return plugin


@pytest.fixture(scope="module")
def _testinfra_host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Testinfra's parameter; for unittest's classes, the only server's host."""
    if hasattr(request, "param"):
        return request.param
    plugin = request.config.pluginmanager.get_plugin(PLUGIN)
    if not isinstance(plugin, HostPlugin) or plugin.stack_of(request.node) is None:
        return testinfra.host.get_host("local://")
    handle = plugin.only_handle_of(request.node)
    if handle is None:
        raise UsageError(
            f"cannot choose a host for {request.node.nodeid}: the stack has several servers "
            "for it, and unittest's classes cannot be parametrised",
            hint='choose one for the module: pytestmark = pytest.mark.infraci(server="NAME")',
        )
    return testinfra.host.get_host(handle.url)


def _parameter_of(item: object) -> ServerHandle | None:
    """The server that a test has been parametrised with; None for another or no host."""
    callspec = getattr(item, "callspec", None)
    backend = getattr(callspec and callspec.params.get(_HOST), "backend", None)
    handle = backend.handle if isinstance(backend, ServerBackend) else None
    return handle if isinstance(handle, ServerHandle) else None


def _classify(report: pytest.TestReport, error: BaseException, when: str) -> None:
    kind = error_kind(error, when)
    report.__dict__["infraci_kind"] = None if kind is None else str(kind)
    is_clear = kind is ErrorKind.INFRASTRUCTURE or isinstance(error, SudoRefusedError)
    if isinstance(error, InfraciError) and (is_clear or when == "setup"):
        report.__dict__["infraci_message"] = error.message
        if when == "setup":  # infraci's own traceback helps no user
            report.longrepr = error.message + (f"\n{error.hint}" if error.hint else "")


def _report_sudo(
    item: pytest.Item,
    report: pytest.TestReport,
    call: pytest.CallInfo[None],
    connection: ServerConnection,
) -> None:
    """Report a sudo of a failed check that was refused, and warn of what else sudo prints.

    Sends the warnings past pytest's filters, which could make errors of them.
    """
    failed = call.excinfo if report.failed else None
    if failed and not isinstance(failed.value, InfraciError) and (refusal := connection.refusal):
        why = f"{refusal.reason} on {connection.server.name}"
        report.__dict__["infraci_message"] = f"{why}: {first_line(failed.exconly())}"
        report.sections.append(("sudo", f"{why}\nhint: {refusal.remedy}"))
    for remark in connection.take_remarks():
        message = warnings.WarningMessage(
            pytest.PytestWarning(remark), pytest.PytestWarning, str(item.path), 0
        )
        item.ihook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": message,
                "when": "runtest",
                "nodeid": item.nodeid,
                "location": None,
            }
        )


def _about(item: pytest.Item, lazy_stack: LazyStack, handle: ServerHandle | None) -> dict[str, Any]:
    """A check's stack, server and names as plain values, which travel with its report."""
    file, root = item.path, lazy_stack.plan.root
    shown = file.relative_to(root) if file.is_relative_to(root) else file
    _, separator, name = item.nodeid.partition("::")
    nodeid = f"{shown.as_posix()}{separator}{name}"
    line = item.location[1]
    return {
        "stack": lazy_stack.key,
        "server": "" if handle is None else handle.planned.name,
        "role": "" if handle is None else handle.planned.role,
        "classname": classname_of(nodeid),
        "name": item.name,
        "nodeid": nodeid,
        "file": shown.as_posix(),
        "line": None if line is None else line + 1,
    }


def _with_position(node: Node, error: Exception) -> str:
    file, line, _ = getattr(node, "location", (node.nodeid, None, ""))
    position = file if line is None else f"{file}:{line + 1}"
    if isinstance(error, InfraciError):
        hint = f"\n{error.hint}" if error.hint else ""
        return f"{position}: {error.message}{hint}"
    return f"{position}: @pytest.mark.{NAME}: {error}"
