"""The pytest plugin by which tests get servers and stacks, whoever has stood these up.

Testinfra goes on to parametrise ``host``; it is only told which servers, test by test.
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

#: What the plugin is registered as; infraci/suite/entry.py looks for it by this name.
PLUGIN = "infraci-hosts"
_HOST = "_testinfra_host"
_FIXTURES = frozenset({"infraci_stack", "infraci_servers", "infraci_server"})

Node = pytest.Item | pytest.Collector


class Stands(Protocol):
    """Where stacks come from."""

    def main(self) -> LazyStack | None:
        """The stack of all tests that have none of their own."""

    def own(self, pipeline: str, *, scope: str, module: str) -> LazyStack | None:
        """That of a module which asks for one; None where it is somebody else's business.

        Raises InfraciError.
        """


class HostPlugin:
    """Gives tests their servers; see :class:`Stands`.

    With ``strict``, a misuse anywhere keeps all tests from running, also where pytest would go on.
    """

    def __init__(self, stands: Stands, *, strict: bool) -> None:
        self._stands = stands
        self._strict = strict
        self._misused = False
        self._known: set[LazyStack] = set()
        self.any_left_out = False  # tests that their markers keep for others of the servers

    # -- what tests are for ------------------------------------------------------------------

    def stand_of(self, node: Node) -> LazyStack | None:
        """The stack that a test or module is for. Raises MisuseError and InfraciError."""
        choice = choice_of(node)
        if choice.stack:
            module = node.nodeid.partition("::")[0]
            stand = self._stands.own(choice.stack, scope=choice.scope, module=module)
        else:
            stand = self._stands.main()
        if stand is not None:
            self._known.add(stand)
        return stand

    def chosen(self, node: Node, stand: LazyStack) -> tuple[PlannedServer, ...]:
        """The servers that a test is for. Raises MisuseError."""
        return choice_of(node).of(stand.plan, stand.plan.judged_by(node.path))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None]:
        """Tell Testinfra the test's servers, whatever its module or the command line say."""
        node = metafunc.definition
        try:
            stand = self.stand_of(node)
            chosen = () if stand is None else self.chosen(node, stand)
        except (MisuseError, InfraciError) as error:
            raise Misuse(_placed(node, error)) from error
        if stand is None or _HOST not in metafunc.fixturenames:
            return (yield)
        here = stand.mine(chosen) or stand.mine(stand.plan.servers)
        urls = [stand.seat(server).url for server in here]
        option = metafunc.config.option
        before, option.hosts = option.hosts, ",".join(urls)
        try:
            return (yield)
        finally:
            option.hosts = before

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[Any]:
        """Mark the report of a misuse: it makes pytest's exit status."""
        report = yield
        error = getattr(getattr(report, "call", None), "excinfo", None)
        if error is not None and isinstance(error.value, Misuse):
            report.__dict__["infraci_misuse"] = self._misused = True
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave out what is for other servers than this process has."""
        stop = self._misused and self._strict
        kept = [item for item in items if not stop and self._is_here(item)]
        if len(kept) < len(items):
            self.any_left_out = True
            here = set(kept)
            config.hook.pytest_deselected(items=[item for item in items if item not in here])
            items[:] = kept

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Let each stack know which of its servers will be looked at."""
        seats = [seat for item in session.items if (seat := _parameter_of(item)) is not None]
        for stand in {seat.stand for seat in seats}:
            stand.await_tests(seat for seat in seats if seat.stand is stand)

    def _is_here(self, item: pytest.Item) -> bool:
        seat = _parameter_of(item)
        if seat is None:
            return True
        try:
            return seat.planned in self.chosen(item, seat.stand)
        except MisuseError as error:  # of a parameter's own marker
            raise pytest.UsageError(_placed(item, error)) from error

    # -- running them ------------------------------------------------------------------------

    def seat_of(self, item: pytest.Item) -> ServerHandle | None:
        """The server that a test looks at; None if it is none of ours."""
        if _HOST not in getattr(item, "fixturenames", ()):
            return None
        return _parameter_of(item) or self.only_seat_of(item)

    def only_seat_of(self, node: Node) -> ServerHandle | None:
        """The server of what cannot be parametrised, if there is but one for it."""
        stand = self.stand_of(node)
        if stand is None:
            return None
        servers = stand.mine(self.chosen(node, stand))
        return stand.seat(servers[0]) if len(servers) == 1 else None

    def stand_needed_by(self, item: pytest.Item) -> LazyStack | None:
        """The stack without which a test cannot run."""
        seat = self.seat_of(item)
        if seat is not None:
            return seat.stand
        names = getattr(item, "fixturenames", ())
        return None if _FIXTURES.isdisjoint(names) else self.stand_of(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Stand a stack up before the test begins: that is no part of what the test takes."""
        stand = self.stand_needed_by(item)
        if stand is not None:
            stand.prepare()
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Have stack and server there before the check's own set-up, or fail with one error."""
        stack = choice_of(item).stack
        if stack and self.stand_of(item) is None:
            pytest.skip(f"for a stack of its own, of pipeline {stack}")
        stand = self.stand_needed_by(item)
        if stand is not None:
            os.environ["INFRACI_SSH_CONFIG"] = str(stand.folder().ssh_config)
        seat = self.seat_of(item)
        if seat is not None:
            server = seat.server
            os.environ.update(INFRACI_SERVER=server.name, INFRACI_ROLE=server.role)
            seat.link.begin_check()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell trouble with the server from a check that failed, and whose check it is."""
        report = yield
        if report.failed and call.excinfo is not None:
            _judge(report, call.excinfo.value, call.when)
        stand = self.stand_needed_by(item)
        if stand is not None:
            seat = self.seat_of(item)
            report.__dict__["infraci"] = _about(item, stand, seat)
            if seat is not None and seat.made_link is not None:
                _hear_sudo(item, report, call, seat.made_link)
        return report

    def pytest_sessionfinish(self) -> None:
        """End the connections."""
        for stand in self._known:
            stand.close()

    # -- fixtures ------------------------------------------------------------------------------

    def servers_of(self, node: Node) -> tuple[Server, ...]:
        """The servers that a test is for, standing."""
        stand = self.stand_of(node)
        if stand is None:
            return ()
        return tuple(stand.seat(server).server for server in self.chosen(node, stand))


class Misuse(pytest.Collector.CollectError):
    """What is wrong with a marker, told without a traceback."""


def register(config: pytest.Config, stands: Stands, *, strict: bool = False) -> HostPlugin:
    """Have pytest use a plugin for these stacks."""
    plugin = HostPlugin(stands, strict=strict)
    config.pluginmanager.register(plugin, PLUGIN)
    config.pluginmanager.register(sys.modules[__name__], f"{PLUGIN}-fixture")
    return plugin


@pytest.fixture(scope="module")
def _testinfra_host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Take Testinfra's parameter, or, for unittest's classes, what it would have been."""
    if hasattr(request, "param"):
        return request.param
    plugin = request.config.pluginmanager.get_plugin(PLUGIN)
    if not isinstance(plugin, HostPlugin) or plugin.stand_of(request.node) is None:
        return testinfra.host.get_host("local://")
    seat = plugin.only_seat_of(request.node)
    if seat is None:
        raise UsageError(
            f"cannot choose a host for {request.node.nodeid}: the stack has several servers "
            "for it, and unittest's classes cannot be parametrised",
            hint='choose one for the module: pytestmark = pytest.mark.infraci(server="NAME")',
        )
    return testinfra.host.get_host(seat.url)


def _parameter_of(item: object) -> ServerHandle | None:
    """The server that a test has been parametrised with; None if it has none of ours."""
    callspec = getattr(item, "callspec", None)
    backend = getattr(callspec and callspec.params.get(_HOST), "backend", None)
    place = backend.place if isinstance(backend, ServerBackend) else None
    return place if isinstance(place, ServerHandle) else None


def _judge(report: pytest.TestReport, error: BaseException, when: str) -> None:
    kind = error_kind(error, when)
    report.__dict__["infraci_kind"] = None if kind is None else str(kind)
    is_clear = kind is ErrorKind.INFRASTRUCTURE or isinstance(error, SudoRefusedError)
    if isinstance(error, InfraciError) and (is_clear or when == "setup"):
        report.__dict__["infraci_message"] = error.message
        if when == "setup":  # nobody needs our own traceback
            report.longrepr = error.message + (f"\n{error.hint}" if error.hint else "")


def _hear_sudo(
    item: pytest.Item,
    report: pytest.TestReport,
    call: pytest.CallInfo[None],
    link: ServerConnection,
) -> None:
    """Tell of a sudo that a failed check has run itself, in vain, and of what sudo prints besides.

    As warnings go, but for their filters, which could make errors of them.
    """
    failed = call.excinfo if report.failed else None
    if failed and not isinstance(failed.value, InfraciError) and (refusal := link.refusal):
        why = f"{refusal.reason} on {link.server.name}"
        report.__dict__["infraci_message"] = f"{why}: {first_line(failed.exconly())}"
        report.sections.append(("sudo", f"{why}\nhint: {refusal.remedy}"))
    for remark in link.take_remarks():
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


def _about(item: pytest.Item, stand: LazyStack, seat: ServerHandle | None) -> dict[str, Any]:
    """What is known of a check, in plain values: it travels with its report."""
    file = item.path
    shown = file.relative_to(stand.plan.root) if file.is_relative_to(stand.plan.root) else file
    _, separator, inner = item.nodeid.partition("::")
    nodeid = f"{shown.as_posix()}{separator}{inner}"
    line = item.location[1]
    return {
        "stack": stand.key,
        "server": "" if seat is None else seat.planned.name,
        "role": "" if seat is None else seat.planned.role,
        "classname": classname_of(nodeid),
        "name": item.name,
        "nodeid": nodeid,
        "file": shown.as_posix(),
        "line": None if line is None else line + 1,
    }


def _placed(node: Node, error: Exception) -> str:
    file, line, _ = getattr(node, "location", (node.nodeid, None, ""))
    place = file if line is None else f"{file}:{line + 1}"
    if isinstance(error, InfraciError):
        hint = f"\n{error.hint}" if error.hint else ""
        return f"{place}: {error.message}{hint}"
    return f"{place}: @pytest.mark.{NAME}: {error}"
