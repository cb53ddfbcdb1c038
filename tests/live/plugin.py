"""The plugin for live tests: starts an OpenStack for the first one, ends it after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds import CloudUnderTest, check_openstack, end_openstack_of, real_openstack


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take down what workers could not, as they were ended before."""
    if not hasattr(config, "workerinput"):
        end_openstack_of(config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def openstack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudUnderTest]:
    """A real OpenStack."""
    with real_openstack(tmp_path_factory.getbasetemp()) as cloud:
        yield cloud


@pytest.fixture
def live_cloud(openstack: CloudUnderTest) -> Iterator[CloudUnderTest]:
    """A real OpenStack that is well before the test, and after it."""
    check_openstack()
    yield openstack
    check_openstack()
