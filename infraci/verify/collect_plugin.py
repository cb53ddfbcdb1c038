"""The pytest plugin of a collection: tells what is wrong with specs, with file and line.

It is the plugin of a run as well, so that options, plugins and modules are those of a run.
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
from infraci.verify.hosts import Misuse, Stands
from infraci.verify.plugin import SpecPlugin
from infraci.verify.task import Task

#: What a module may meet only in a sandbox, where there is no network and few files.
_OF_THE_SANDBOX = (OSError, MemoryError, InfraciError, subprocess.SubprocessError)
#: Where ``os.environ`` raises from; Python has "os" frozen into itself.
_OS = ("<frozen os>", os.__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with a file of specs."""

    file: str  # relative to the tree; empty where it is not known
    line: int | None = None
    message: str = ""
    is_certain: bool = True  # False for what may be well where the servers stand
    missing_module: str = ""  # that it cannot import
    suggestion: str | None = None


Tell = Callable[[Finding], None]


class CollectPlugin(SpecPlugin):
    """Tells what is wrong, in the place of what becomes of each check."""

    def __init__(self, task: Task, stands: Stands, tell: Tell, arguments: Sequence[str]) -> None:
        super().__init__(task, stands, lambda key, value: None, arguments=arguments)
        self._root = task.root
        self._tell = tell

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(
        self, early_config: pytest.Config, parser: pytest.Parser, args: list[str]
    ) -> None:
        """Hear of a conftest.py that cannot be imported; pytest itself only prints it."""
        super().pytest_load_initial_conftests(early_config, parser, args)
        original = early_config.pluginmanager._importconftest

        @wraps(original)
        def import_conftest(conftestpath: Path, *args: Any, **options: Any) -> ModuleType:
            try:
                return original(conftestpath, *args, **options)
            except BaseException as error:
                self._tell(self._finding(conftestpath, error))
                raise

        early_config.pluginmanager._importconftest = import_conftest  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Tell of a file that cannot be collected, by its exception."""
        report = yield
        excinfo = getattr(getattr(report, "call", None), "excinfo", None)
        # The stack's servers are not known here, so that markers cannot be judged.
        if report.failed and excinfo is not None and not isinstance(excinfo.value, Misuse):
            self._tell(self._finding(collector.path, excinfo.value))
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Nothing: it has been told."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell of fixtures that no plugin and no conftest.py has, and of tests that are lost."""
        for path in {item.path for item in session.items}:
            for name, second, first in _defined_twice(path):
                self._tell(
                    Finding(
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
                self._tell(
                    Finding(
                        file=self._shown(self._root / file),
                        line=None if line is None else line + 1,
                        message=f'{item.originalname} needs the fixture "{name}", which is nowhere',
                        suggestion=near(name, _fixtures(session)),
                    )
                )

    def pytest_warning_recorded(self, warning_message: Any) -> None:
        """Tell of markers that nobody declares, and of classes that pytest passes over."""
        kinds = (pytest.PytestUnknownMarkWarning, pytest.PytestCollectionWarning)
        if issubclass(warning_message.category, kinds):
            self._tell(
                Finding(
                    file=self._shown(Path(warning_message.filename)),
                    line=warning_message.lineno,
                    message=str(warning_message.message).partition(" - is this a typo?")[0],
                    is_certain=False,
                )
            )

    def pytest_internalerror(self, excrepr: object) -> None:
        """Tell of pytest's own trouble."""
        self._tell(Finding(file="", message=last_line(str(excrepr)), is_certain=False))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell of specs that end pytest."""
        self._tell(Finding(file="", message=f"pytest was ended: {excinfo.value}", is_certain=False))

    def _finding(self, path: Path, error: BaseException) -> Finding:
        """What an exception tells, with the last line of the tree's that led to it."""
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
        return Finding(
            file=self._shown(file),
            line=line,
            message=f"cannot be collected: {_told(cause)}".replace(f"{self._root}/", ""),
            is_certain=_is_certain(cause),
            missing_module=missing.partition(".")[0],
        )

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)


def _defined_twice(path: Path) -> Iterator[tuple[str, int, int]]:
    """Tests that a later one of the same name replaces: name, line, and line of the lost one."""
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
    """The names of all fixtures; pytest's releases keep them by different names."""
    manager = session._fixturemanager
    maps = (value for name, value in vars(manager).items() if name.startswith("_arg2"))
    return sorted({fixture for each in maps for fixture in each})


def _cause(error: BaseException) -> BaseException:
    """What pytest has wrapped; its own words where that is a class of its own."""
    inner = getattr(error, "cause", None) or error.__cause__
    is_wrapper = isinstance(error, pytest.Collector.CollectError) or hasattr(error, "cause")
    if not is_wrapper or not isinstance(inner, BaseException):
        return error
    return error if isinstance(inner, ImportPathMismatchError) else _cause(inner)


def _told(error: BaseException) -> str:
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
    """Whether it is as wrong wherever the specs run; a library's own errors may tell of any."""
    if isinstance(error, _OF_THE_SANDBOX):
        return False
    ours = (pytest.Collector.CollectError, pytest.UsageError, pytest.fail.Exception)
    return isinstance(error, ours) or (
        isinstance(error, Exception) and type(error).__module__ == "builtins"
    )
