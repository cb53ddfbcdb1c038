"""Runs pytest on one server's specs, in a fork of the fork server."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from infraci.base.json_lines import JsonLines
from infraci.errors import UsageError
from infraci.verify.lazy_stack import LazyStack
from infraci.verify.plugin import SpecPlugin
from infraci.verify.stack_view import Plan, PlannedServer, Stack
from infraci.verify.task import Task

#: Where pytest looks for its configuration, in its order.
_CONFIGURATIONS = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)


def run_specs(task: Task, answers: int, plugins: Iterable[importlib.metadata.Distribution]) -> int:
    """Run pytest on the task in this process; ``answers`` is a socket, to send answers to.

    ``plugins`` are the installed distributions that have a pytest plugin.
    """
    send = JsonLines(socket.socket(fileno=answers)).send
    return run_pytest(
        task,
        plugins,
        lambda source, arguments: SpecPlugin(task, source, send, arguments=arguments),
        connect=True,
    )


def run_pytest(
    task: Task,
    plugins: Iterable[importlib.metadata.Distribution],
    plugin: Callable[[TaskStack, Sequence[str]], SpecPlugin],
    *,
    connect: bool = False,
    more: Sequence[str] = (),
) -> int:
    """Run pytest in this process with ``more`` options; returns its exit status.

    ``plugin`` creates infraci's plugin from the stack and pytest's arguments. With ``connect`` it
    begins to connect to the server at once.
    """
    os.environ.update(
        task.environment,
        INFRACI_SERVER=task.server_name,
        INFRACI_ROLE=task.role,
        INFRACI_SSH_CONFIG=str(task.run_folder.ssh_config),
    )
    source = TaskStack(task)
    if connect:
        source.connect()
    # "./" keeps a path that begins with "-" from being an option; pytest has no other way.
    paths = [f"./{path}" if path.startswith("-") else path for path in task.paths]
    arguments = [*_options(task), *more, *paths]
    try:
        with KnownPlugins(plugins) as known:
            return int(pytest.main(arguments, plugins=[plugin(source, arguments), known]))
    finally:
        source.close()
        sys.stdout.flush()
        sys.stderr.flush()


def pytest_plugins() -> list[importlib.metadata.Distribution]:
    """The installed distributions that have a pytest plugin."""
    return [
        distribution
        for distribution in importlib.metadata.distributions()
        if any(point.group == "pytest11" for point in distribution.entry_points)
    ]


class TaskStack:
    """The run's stack, with the server that this process tests, or all; a ``hosts.StackSource``."""

    def __init__(self, task: Task) -> None:
        planned = PlannedServer(name=task.server_name, path="", role=task.role)
        servers: tuple[PlannedServer, ...] = (planned,) if task.server else ()
        self._pipeline = ""
        with contextlib.suppress(UsageError):  # of a run that an older infraci has provisioned
            stack = Stack.read(task.run_folder)
            servers, self._pipeline = stack.as_planned(), stack.pipeline
        plan = Plan(
            pipeline=self._pipeline,
            title=f"pipeline {self._pipeline}".rstrip(),
            root=task.root,
            servers=servers,
            roles=(),
            specs={},
            verify_s=task.timeout_s,
        )
        self._lazy_stack = LazyStack(
            self._pipeline, plan, lambda: task.run_folder, only=task.server
        )
        self._handle = self._lazy_stack.handle(planned) if task.server else None

    def connect(self) -> None:
        """Begin to connect to the server; the stack's specs connect to those that they look at."""
        if self._handle is not None:
            self._handle.connection.open()

    def close(self) -> None:
        """End the connections."""
        self._lazy_stack.close()

    def main(self) -> LazyStack:
        """The run's stack."""
        return self._lazy_stack

    def own(self, pipeline: str, *, scope: str, module: str) -> LazyStack | None:
        """A stack of another pipeline is for that pipeline's run."""
        return self._lazy_stack if pipeline == self._pipeline else None


def _options(task: Task) -> list[str]:
    configuration = _configuration(task.root, task.paths)
    return [
        f"--rootdir={task.root}",
        f"--confcutdir={task.root}",
        "-c",
        os.devnull if configuration is None else str(configuration),
        "-p",
        "no:cacheprovider",
        # Options of plugins that are not installed here are no reason to refuse the specs.
        "-o",
        "strict_config=false",
        "-W",
        "ignore::pytest.PytestConfigWarning",
        # infraci's own plugin was imported before pytest began.
        "-W",
        "ignore:Module already imported so cannot be rewritten; infraci"
        ":pytest.PytestAssertRewriteWarning",
        "--maxfail=0",
        "--continue-on-collection-errors",
        "--color=no",
    ]


def _configuration(root: Path, paths: Iterable[str]) -> Path | None:
    """Find pytest's configuration as pytest does, but never above the commit's tree."""
    common = Path(os.path.commonpath([root, *(root / path for path in paths)]))
    if len(list(paths)) == 1:
        common = root / next(iter(paths))
    for folder in (common, *common.parents):
        for name in _CONFIGURATIONS:
            file = folder / name
            if file.is_file() and load_config_dict_from_file(file) is not None:
                return file
        if folder == root:
            break
    return None


class KnownPlugins:
    """Spares pytest from reading every installed package's metadata twice while it starts.

    From its session on, when specs are imported, all packages are to be found again.
    """

    def __init__(self, plugins: Iterable[importlib.metadata.Distribution]) -> None:
        self._known = list(plugins)
        self._original = importlib.metadata.distributions

    def __enter__(self) -> Self:
        importlib.metadata.distributions = self._distributions
        return self

    def __exit__(self, *error: object) -> None:
        importlib.metadata.distributions = self._original

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Show all packages."""
        importlib.metadata.distributions = self._original

    def _distributions(self, **criteria: Any) -> Iterable[importlib.metadata.Distribution]:
        return self._original(**criteria) if criteria else iter(self._known)
