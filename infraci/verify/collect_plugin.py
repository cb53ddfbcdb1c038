"""The pytest plugin that collects specs for a plan: reports what is wrong, with file and line.

It extends the plugin of a run, so that options, plugins and modules are the same as in a run.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.pathlib import ImportPathMismatchError

from infraci.base.lines import full_lines, last_line
from infraci.errors import InfraciError
from infraci.model.problem import near
from infraci.verify.hosts import Misuse, StackSource
from infraci.verify.plugin import SpecPlugin
from infraci.verify.task import Task

#: Errors that a module may raise only in a sandbox, where there is no network and few files.
_OF_THE_SANDBOX = (OSError, MemoryError, InfraciError, subprocess.SubprocessError)
#: Where ``os.environ`` raises from; Python has "os" frozen into itself.
_OS = ("<frozen os>", os.__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecProblem:
    """What is wrong with a file of specs."""

    file: str  # relative to the tree; empty where it is not known
    line: int | None = None
    message: str = ""
    is_certain: bool = True  # False for an error that a run may not have
    missing_module: str = ""  # the module that the file cannot import
    suggestion: str | None = None


OnFinding = Callable[[SpecProblem], None]


class CollectPlugin(SpecPlugin):
    """Reports findings, where the plugin of a run reports checks."""

    def __init__(
        self, task: Task, source: StackSource, on_finding: OnFinding, arguments: Sequence[str]
    ) -> None:
        super().__init__(task, source, lambda key, value: None, arguments=arguments)
        self._root = task.root
        self._on_finding = on_finding

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(
        self, early_config: pytest.Config, parser: pytest.Parser, args: list[str]
    ) -> None:
        """Report a conftest.py that cannot be imported; pytest itself only prints the error."""
        super().pytest_load_initial_conftests(early_config, parser, args)
        original = early_config.pluginmanager._importconftest

        @wraps(original)
        def import_conftest(conftestpath: Path, *args: Any, **options: Any) -> ModuleType:
            try:
                return original(conftestpath, *args, **options)
            except BaseException as error:
                self._on_finding(self._finding(conftestpath, error))
                raise

        early_config.pluginmanager._importconftest = import_conftest  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Report a file that cannot be collected, by its exception."""
        report = yield
        excinfo = getattr(getattr(report, "call", None), "excinfo", None)
        # The stack's servers are not known here, so infraci cannot check markers.
        if report.failed and excinfo is not None and not isinstance(excinfo.value, Misuse):
            self._on_finding(self._finding(collector.path, excinfo.value))
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report nothing more: pytest_make_collect_report has."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report fixtures that no plugin and no conftest.py has, and tests defined twice."""
        for path in {item.path for item in session.items}:
            for name, second, first in _defined_twice(path):
                self._on_finding(
                    SpecProblem(
                        file=self._shown(path),
                        line=second,
                        message=f"{name} is defined twice: the one of line {first} never runs",
                        is_certain=False,
                    )
                )
        for item in session.items:
            if not isinstance(item, pytest.Function):
                continue
            file, line, _ = item.location
            known = item._fixtureinfo.name2fixturedefs
            for name in item.fixturenames:
                if name in known or name == "request":
                    continue
                self._on_finding(
                    SpecProblem(
                        file=self._shown(self._root / file),
                        line=None if line is None else line + 1,
                        message=f'{item.originalname} needs the fixture "{name}", which is nowhere',
                        suggestion=near(name, _fixtures(session)),
                    )
                )

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """Report unknown markers, and classes that pytest does not collect."""
        kinds = (pytest.PytestUnknownMarkWarning, pytest.PytestCollectionWarning)
        if issubclass(warning_message.category, kinds):
            self._on_finding(
                SpecProblem(
                    file=self._shown(Path(warning_message.filename)),
                    line=warning_message.lineno,
                    message=str(warning_message.message).partition(" - is this a typo?")[0],
                    is_certain=False,
                )
            )

    def pytest_internalerror(self, excrepr: object) -> None:
        """Report an internal error of pytest's."""
        self._on_finding(SpecProblem(file="", message=last_line(str(excrepr)), is_certain=False))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Report specs that end pytest."""
        message = f"pytest was ended: {excinfo.value}"
        self._on_finding(SpecProblem(file="", message=message, is_certain=False))

    def _finding(self, path: Path, error: BaseException) -> SpecProblem:
        """A finding for an exception, with the last line of the tree in its traceback."""
        cause = _cause(error)
        file, line = path, None
        if isinstance(cause, SyntaxError) and cause.filename:
            file, line = Path(cause.filename), cause.lineno
        else:
            traceback = cause.__traceback__
            while traceback is not None:
                frame = Path(traceback.tb_frame.f_code.co_filename)
                if frame.is_relative_to(self._root):
                    file, line = frame, traceback.tb_lineno
                traceback = traceback.tb_next
        missing = cause.name or "" if isinstance(cause, ModuleNotFoundError) else ""
        return SpecProblem(
            file=self._shown(file),
            line=line,
            message=f"cannot be collected: {_reason_of(cause)}".replace(f"{self._root}/", ""),
            is_certain=_is_certain(cause),
            missing_module=missing.partition(".")[0],
        )

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)


def _defined_twice(path: Path) -> Iterator[tuple[str, int, int]]:
    """Tests that a later one of the same name replaces: the name, and the lines of both."""
    try:
        todo: list[ast.Module | ast.ClassDef] = [ast.parse(path.read_bytes())]
    except (OSError, SyntaxError, ValueError):  # as of a text file that a plugin collects
        return
    while todo:
        lines: dict[str, int] = {}
        for node in todo.pop().body:
            if isinstance(node, ast.ClassDef):
                todo.append(node)
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[:4].lower() == "test":
                if node.name in lines:
                    yield node.name, node.lineno, lines[node.name]
                lines[node.name] = node.lineno


def _fixtures(session: pytest.Session) -> list[str]:
    """The names of all fixtures; the attribute's name differs between pytest's releases."""
    manager = session._fixturemanager
    maps = (value for name, value in vars(manager).items() if name.startswith("_arg2"))
    return sorted({fixture for fixtures in maps for fixture in fixtures})


def _cause(error: BaseException) -> BaseException:
    """The exception that pytest has wrapped, or pytest's own where it says more."""
    inner = getattr(error, "cause", None) or error.__cause__
    is_wrapper = isinstance(error, pytest.Collector.CollectError) or hasattr(error, "cause")
    if not is_wrapper or not isinstance(inner, BaseException):
        return error
    return error if isinstance(inner, ImportPathMismatchError) else _cause(inner)


def _reason_of(error: BaseException) -> str:
    lines = full_lines(str(error))
    if isinstance(error, KeyError) and _is_of_environ(error):
        return f"the environment variable {lines[-1]} is not set (`environment:` hands it on)"
    if isinstance(error, pytest.Collector.CollectError | pytest.UsageError | pytest.fail.Exception):
        return " ".join(lines)
    return f"{type(error).__name__}: {lines[0] if lines else ''}".removesuffix(": ")


def _is_of_environ(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename in _OS


def _is_certain(error: BaseException) -> bool:
    """Whether the error occurs wherever the specs run; a library's own error may not."""
    if isinstance(error, _OF_THE_SANDBOX):
        return False
    ours = (pytest.Collector.CollectError, pytest.UsageError, pytest.fail.Exception)
    return isinstance(error, ours) or (
        isinstance(error, Exception) and type(error).__module__ == "builtins"
    )
