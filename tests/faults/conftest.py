"""The embedded cloud, and a proxy before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds import CloudUnderTest, embedded_cloud
from tests.faults.fakes import ProxiedCloud, clouds_yaml
from tests.faults.proxy import Proxy


@pytest.fixture(scope="session")
def engine_proxy() -> Iterator[Proxy]:
    """A proxy between Heat's engine and the services that it asks."""
    with Proxy().serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def near_cloud(
    engine_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CloudUnderTest]:
    """An embedded cloud that the tests of faults share."""
    state = tmp_path_factory.mktemp("cloud")
    with embedded_cloud(state, http_proxy=engine_proxy.url) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    """A proxy; each run gives it a plan."""
    with Proxy().serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def near_clouds_yaml(
    near_cloud: CloudUnderTest, proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The file by which the embedded cloud is reached through the proxy."""
    return clouds_yaml(tmp_path_factory.mktemp("near"), near_cloud.connection, proxy)


@pytest.fixture
def near(near_clouds_yaml: Path, proxy: Proxy, engine_proxy: Proxy, tmp_path: Path) -> ProxiedCloud:
    """The embedded cloud behind the proxy."""
    return ProxiedCloud(
        clouds_yaml=near_clouds_yaml,
        proxy=proxy,
        engine_proxy=engine_proxy,
        folder=tmp_path / "repository",
    )
