"""The plugin for live tests: starts an OpenStack for the first one, ends it after the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds import (
    CloudUnderTest,
    check_openstack,
    is_openstack_up,
    real_openstack,
    take_openstack_down,
)

#: Whether the OpenStack was up before the tests; not there in workers.
_WAS_UP = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Look whether the OpenStack is up, unless this is a worker of xdist."""
    if not hasattr(config, "workerinput"):
        config.stash[_WAS_UP] = is_openstack_up()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take down what workers could not, as they were ended before."""
    if not config.stash.get(_WAS_UP, True) and is_openstack_up():
        take_openstack_down()


@pytest.fixture(scope="session")
def openstack() -> Iterator[CloudUnderTest]:
    """A real OpenStack."""
    with real_openstack() as cloud:
        yield cloud


@pytest.fixture
def live_cloud(openstack: CloudUnderTest) -> Iterator[CloudUnderTest]:
    """A real OpenStack that is well before the test, and after it."""
    check_openstack()
    yield openstack
    check_openstack()
