"""Gives each folder of specs its own modules, where several folders have files of equal names.

pytest puts the folder of every spec and conftest.py at the front of ``sys.path``, and imports the
file by its bare name. So it would never import a second ``helper.py`` or ``test_service.py``: the
first is in ``sys.modules`` already. This module arranges both for the folder that is about to be
imported or run: its own files come first, then those of the folders above it. Folders share modules
whose names occur once.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_PLUGIN = "infraci-modules"


def keep_apart(config: pytest.Config) -> None:
    """Keep the folders' modules apart in a pytest that has not loaded any conftest.py yet.

    Does nothing in pytest's other import modes (``--import-mode``).
    """
    if config.known_args_namespace.importmode != "prepend":
        return
    folders = Folders()
    config.pluginmanager.register(_FolderPlugin(folders), _PLUGIN)
    # There is no hook between finding a conftest.py and importing it.
    original = config.pluginmanager._importconftest

    @wraps(original)
    def import_conftest(conftestpath: Path, *args: Any, **options: Any) -> ModuleType:
        folders.enter(conftestpath)
        return original(conftestpath, *args, **options)

    config.pluginmanager._importconftest = import_conftest  # type: ignore[method-assign]


class _FolderPlugin:
    """Enters a file's folder before pytest imports or runs it."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Enter the folder of a file that pytest is about to import."""
        if collector.path.is_file():
            self._folders.enter(collector.path)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Enter the folder of a test that is about to run, and may import modules."""
        self._folders.enter(item.path)
        return (yield)


class Folders:
    """The folders that pytest imports from, and the modules of each."""

    def __init__(self) -> None:
        self._known: set[Path] = set()
        #: The modules that are not in ``sys.modules`` now, by their origin, then by full name.
        self._put_by: dict[Path, dict[str, ModuleType]] = {}

    def enter(self, file: Path) -> None:
        """Let imports find the modules nearest to a file."""
        folder = _import_folder(file)
        self._known.add(folder)
        folders = [folder for folder in (folder, *folder.parents) if folder in self._known]
        loaded = dict(self._loaded())  # the places of packages without code follow sys.path
        present = [str(folder) for folder in folders if str(folder) in sys.path]
        sys.path[:] = [*present, *(entry for entry in sys.path if entry not in present)]
        for name in {*loaded, *(origin.stem for origin in self._put_by)}:
            nearest, before = _find(name, folders), loaded.get(name)
            if nearest is None or nearest == before or _is_preferred(before, nearest):
                continue
            if before is not None:
                self._put_by[before] = _taken_out(name)
            sys.modules.update(self._put_by.pop(nearest, {}))

    def _loaded(self) -> Iterator[tuple[str, Path]]:
        """The top-level modules from these folders, with their origins."""
        for name, module in list(sys.modules.items()):
            if "." in name:
                continue
            origin = _origin(module)
            if origin is not None and origin.parent in self._known:
                yield name, origin


def _import_folder(file: Path) -> Path:
    """The folder that pytest imports a file from: the first without ``__init__.py``, upwards."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _origin(module: ModuleType) -> Path | None:
    """The file of a module, or the folder of a package; None for a module with neither."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        path = Path(file)
        return path.parent if path.stem == "__init__" else path
    # Of a package without __init__.py, which may lie in several places, the first counts.
    places = list(getattr(module, "__path__", ()))
    return Path(places[0]) if places and isinstance(places[0], str) else None


def _find(name: str, folders: list[Path]) -> Path | None:
    """The origin of a top-level module, searched in these folders in order."""
    for folder in folders:
        if (folder / name / "__init__.py").is_file():
            return folder / name
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    return next((folder / name for folder in folders if (folder / name).is_dir()), None)


def _is_preferred(before: Path | None, nearest: Path) -> bool:
    """Whether Python prefers the former, as the nearer is a folder without code."""
    return before is not None and _has_code(before) and not _has_code(nearest)


def _has_code(origin: Path) -> bool:
    return origin.is_file() or (origin / "__init__.py").is_file()


def _taken_out(name: str) -> dict[str, ModuleType]:
    """Remove a module and its submodules from ``sys.modules``; returns them."""
    inside = [full for full in sys.modules if full == name or full.startswith(f"{name}.")]
    return {full: sys.modules.pop(full) for full in inside}
