"""A cloud that is lost while a run waits for its servers: it is told at once, and as that."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infraci.local.lock_holder import find_holder
from infraci.local.state_dir import StateDir
from tests.clouds import embedded_cloud
from tests.faults.waiting import STUCK_STACK, make_repository, until_waiting

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(300)]


def kill_cloud(state_dir: StateDir) -> None:
    """End the cloud's process as the kernel does when memory runs out."""
    holder = find_holder(state_dir)
    assert holder is not None
    os.kill(int(holder.process.partition(".")[0]), signal.SIGKILL)


def test_a_run_ends_when_its_cloud_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    make_repository(folder, stack=STUCK_STACK)
    with embedded_cloud(tmp_path / "cloud") as cloud:
        with cloud.start(folder, "-v", "run", "web") as run:
            before = until_waiting(run)
            kill_cloud(StateDir(folder=tmp_path / "cloud"))
            _, after = run.communicate(timeout=200)
        assert run.returncode == 125, before + after
        assert "on cloud local: connection refused" in after
        (file,) = (folder / ".infraci" / "runs").glob("*/run.json")
        record = json.loads(file.read_text())
        (provision,) = (phase for phase in record["phases"] if phase["phase"] == "provision")
        assert provision["failure"]["category"] == "api"
        assert provision["duration_s"] < 120, "the limit of the phase is 15 min"
        errors = list(ElementTree.parse(file.parent / "junit.xml").iter("error"))
        assert "guest" not in {error.get("type") for error in errors}
        with cloud.start(folder, "destroy", "--all") as destroy:
            assert destroy.wait(200) == 0
        assert cloud.inventory()["servers"] == frozenset()
