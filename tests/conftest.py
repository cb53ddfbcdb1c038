"""What all tests share: their order, and clouds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.clouds import CloudUnderTest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests on a real OpenStack last: its services would slow the others down."""
    items.sort(key=lambda item: item.get_closest_marker("live") is not None)


@pytest.fixture(scope="session")
def live_cloud() -> Iterator[CloudUnderTest]:
    """A real OpenStack."""
    from tests.clouds import real_openstack

    with real_openstack() as cloud:
        yield cloud
