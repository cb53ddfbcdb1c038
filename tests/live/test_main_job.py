"""The main job on a real OpenStack: the pipelines of this repository, and nothing left."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.clouds import CloudUnderTest

_ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone of this repository."""
    clone = tmp_path / "infraci"
    subprocess.run(["git", "clone", "--quiet", _ROOT, clone], check=True, capture_output=True)
    return clone


@pytest.fixture
def application_credential(live_cloud: CloudUnderTest, tmp_path: Path) -> Iterator[CloudUnderTest]:
    """The same cloud, logged in to by an application credential."""
    identity: Any = live_cloud.connection.identity
    user = live_cloud.connection.session.get_user_id()
    made = identity.create_application_credential(user=user, name=f"infraci-{tmp_path.name}")
    auth = {
        "auth_url": live_cloud.connection.config.auth["auth_url"],
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }
    entry = {"auth_type": "v3applicationcredential", "auth": auth, "region_name": "RegionOne"}
    clouds_yaml = tmp_path / "clouds.yaml"
    clouds_yaml.write_text(json.dumps({"clouds": {live_cloud.name: entry}}))
    environment = {**live_cloud.environment, "OS_CLIENT_CONFIG_FILE": str(clouds_yaml)}
    yield replace(live_cloud, environment=environment)
    identity.delete_application_credential(user, made.id)


@pytest.mark.parametrize("pipeline", ["single", "smoke"])
def test_a_pipeline_passes_and_leaves_nothing(
    live_cloud: CloudUnderTest, repository: Path, pipeline: str
) -> None:
    before = live_cloud.inventory()
    status, output = _run(live_cloud, repository, pipeline)
    assert status == 0, output
    assert f"{pipeline}: passed" in output
    assert live_cloud.inventory() == before


def test_an_application_credential_gets_no_trust(
    application_credential: CloudUnderTest, repository: Path
) -> None:
    before = application_credential.inventory()
    status, output = _run(application_credential, repository, "single")
    assert status == 125, output
    assert "hint: for a stack with servers Heat asks Keystone for a trust" in output
    assert application_credential.inventory() == before


def _run(cloud: CloudUnderTest, repository: Path, pipeline: str) -> tuple[int, str]:
    process = cloud.start(repository, "run", pipeline, "--cloud", cloud.name)
    _, output = process.communicate()
    return process.returncode, output
