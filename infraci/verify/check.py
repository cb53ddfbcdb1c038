"""One server's specs: what a fork of the warm interpreter does in its short life."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from infraci.verify import backend
from infraci.verify.link import Link
from infraci.verify.plugin import SpecPlugin
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
    """Run pytest on the task in this process; ``answers`` is the file to write answers to.

    ``plugins`` are the installed distributions that have a pytest plugin.
    """

    def send(key: str, value: object) -> None:
        line = json.dumps({key: value}).encode("utf-8", "backslashreplace") + b"\n"
        while line:
            line = line[os.write(answers, line) :]

    os.environ.update(
        INFRACI_SERVER=task.server.name,
        INFRACI_ROLE=task.server.role,
        INFRACI_SSH_CONFIG=str(task.ssh_config),
    )
    link = Link(task.server, task.private_key, timeout_s=task.timeout_s)
    backend.use(link)
    link.open()
    arguments = [*_options(task), *task.paths]
    plugin = SpecPlugin(task, link, send, arguments=arguments)
    try:
        with _only(plugins):
            return int(pytest.main(arguments, plugins=[plugin]))
    finally:
        link.close()
        sys.stdout.flush()
        sys.stderr.flush()


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
        "--maxfail=0",
        "--continue-on-collection-errors",
        "--color=no",
    ]


def _configuration(root: Path, paths: Iterable[str]) -> Path | None:
    """Find pytest's configuration as pytest would, but never above the commit's tree."""
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


@contextlib.contextmanager
def _only(plugins: Iterable[importlib.metadata.Distribution]) -> Iterator[None]:
    """Spare pytest reading the metadata of every package that is installed, twice."""
    known = list(plugins)
    original = importlib.metadata.distributions

    def distributions(**criteria: Any) -> Iterable[importlib.metadata.Distribution]:
        return original(**criteria) if criteria else iter(known)

    importlib.metadata.distributions = distributions
    try:
        yield
    finally:
        importlib.metadata.distributions = original
