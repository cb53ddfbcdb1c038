"""The main job on a real OpenStack: the pipelines of this repository, and nothing left."""

from __future__ import annotations

import subprocess
from pathlib import Path

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


@pytest.mark.parametrize("pipeline", ["single", "smoke"])
def test_pipeline_passes_and_leaves_nothing(
    live_cloud: CloudUnderTest, repository: Path, pipeline: str
) -> None:
    before = live_cloud.inventory()
    process = live_cloud.start(repository, "run", pipeline, "--cloud", live_cloud.name)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert f"{pipeline}: passed" in said
    assert live_cloud.inventory() == before
