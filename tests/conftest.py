"""What all tests share: their order, and what is ended when they are interrupted."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from infraci.base.mask import Masker
from tests.processes import end_all, end_those_of_workers, is_any_running, sign_in

_IS_INTERRUPTED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C even where it is ignored in the background; SIGTERM ends the tests alike."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if _is_for_live(config):
        from tests.live import plugin  # which imports openstacksdk, and that takes a second

        config.pluginmanager.register(plugin)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have the controller know what a worker starts."""
    if hasattr(session.config, "workerinput"):
        sign_in(temporary_folder_of(session.config))


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End what workers could not, as they were ended before: their processes, then their clouds."""
    if config.stash.get(_IS_INTERRUPTED, False) and not hasattr(config, "workerinput"):
        from tests.clouds import end_embedded_below

        folder = temporary_folder_of(config)
        end_those_of_workers(folder)
        end_embedded_below(folder)


def temporary_folder_of(config: pytest.Config) -> Path:
    """That of the session, or of the worker: a folder in that of the session."""
    folder: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return folder


def _is_for_live(config: pytest.Config) -> bool:
    return bool(config.getoption("live")) or "live" in config.getoption("markexpr")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """End what an interrupted test has started, before the fixtures take away its cloud."""
    is_interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    if is_interrupted and hasattr(session.config, "workerinput") and is_any_running():
        os._exit(
            exitstatus
        )  # execnet gives it ten seconds; the controller ends what it has started
    end_all()
    session.config.stash[_IS_INTERRUPTED] = is_interrupted


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each test begin without the secrets that others have made known to the process."""
    monkeypatch.setattr("infraci.base.mask._PROCESS", Masker())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a real OpenStack be asked for; it is no small thing to install one unasked."""
    parser.addoption(
        "--live", action="store_true", help="also the tests on a real OpenStack (marked live)"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what takes longest: tests on a real OpenStack, then modules with servers."""
    live = [item for item in items if item.get_closest_marker("live") is not None]
    others = [item for item in items if item not in live]
    if wrong := [i.nodeid for i in items if _is_live(i.nodeid) is not (i in live)]:
        raise pytest.UsageError(f"by their names these are no live tests, or the reverse: {wrong}")
    slow = {item.path for item in others if item.get_closest_marker("cloud") is not None}
    others.sort(key=lambda item: item.path not in slow)
    if _is_for_live(config):
        items[:] = live + others
    else:
        items[:] = others
        config.hook.pytest_deselected(items=live)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Keep a module's tests in one process, as they share clouds, and all live ones in one.

    The latter look at what is left on the OpenStack.
    """

    class Modules(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "live" if _is_live(nodeid) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False  # the order above is better than the longest module
    return Modules(config, log)


def _is_live(nodeid: str) -> bool:
    """Whether a test has the marker ``live``, by its name: xdist's controller knows no more."""
    return nodeid.startswith("tests/live/") or "[live" in nodeid
