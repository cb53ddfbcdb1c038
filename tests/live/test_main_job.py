"""The main job on a real OpenStack: the pipelines of this repository, and nothing left."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.conftest import LiveCloud

_ROOT = Path(__file__).parents[2]
_STACKS = Path(__file__).parent / "stacks"

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone of this repository, where the servers of ``smoke`` have a way in."""
    clone = tmp_path / "infraci"
    _git(tmp_path, "clone", "--quiet", str(_ROOT), str(clone))
    for template in _STACKS.iterdir():
        shutil.copyfile(template, clone / "stacks" / template.name)
    _git(clone, "add", "stacks")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    _git(clone, *identity, "commit", "--quiet", "--message", "Let SSH in")
    return clone


@pytest.mark.parametrize("pipeline", ["single", "smoke"])
def test_pipeline_passes_and_leaves_nothing(
    live_cloud: LiveCloud, repository: Path, pipeline: str
) -> None:
    before = live_cloud.inventory()
    done = subprocess.run(
        [sys.executable, "-m", "infraci", "run", pipeline, "--cloud", live_cloud.name],
        cwd=repository,
        env=live_cloud.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"{pipeline}: passed" in done.stderr
    assert live_cloud.inventory() == before


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)
