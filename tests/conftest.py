"""What all tests share: their order, and clouds."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.clouds import CloudUnderTest


def pytest_configure() -> None:
    """Hear of Ctrl-C even where whoever started the tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a real OpenStack be asked for; it is no small thing to install one unasked."""
    parser.addoption(
        "--live", action="store_true", help="also the tests on a real OpenStack (marked live)"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests on a real OpenStack last, where its services disturb no others."""
    live = [item for item in items if item.get_closest_marker("live") is not None]
    others = [item for item in items if item not in live]
    if config.getoption("live") or "live" in config.getoption("markexpr"):
        items[:] = others + live
    else:
        items[:] = others
        config.hook.pytest_deselected(items=live)


@pytest.fixture(scope="session")
def live_cloud() -> Iterator[CloudUnderTest]:
    """A real OpenStack."""
    from tests.clouds import real_openstack

    with real_openstack() as cloud:
        yield cloud
