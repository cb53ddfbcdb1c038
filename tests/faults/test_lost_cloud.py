"""A cloud that is lost while a run waits for its servers: it is told at once, and as that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infraci.local.holder import find_holder
from infraci.local.place import Place
from tests.clouds import embedded_cloud
from tests.contract.repository import FILES

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(300)]

#: Its boot does not end within any test.
STACK = FILES["stack.yaml"].replace(
    "      metadata:",
    """\
      user_data_format: RAW
      user_data: |
        #cloud-config
        bootcmd: [sleep 3600]
      metadata:""",
)


def make_repository(folder: Path) -> None:
    """Make the contract's repository, with a server that never lets a login in."""
    for name, text in {**FILES, "stack.yaml": STACK}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    author = ("-c", "user.name=Author", "-c", "user.email=author@example.org")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=Go"]):
        subprocess.run(["git", *author, *command], cwd=folder, check=True)


def kill_cloud(place: Place) -> None:
    """End the cloud's process as the kernel does when memory runs out."""
    holder = find_holder(place)
    assert holder is not None
    os.kill(int(holder.process.partition(".")[0]), signal.SIGKILL)


def test_a_run_ends_when_its_cloud_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    make_repository(folder)
    with embedded_cloud(tmp_path / "cloud") as cloud:
        with cloud.start(folder, "-v", "run", "web") as run:
            assert run.stderr is not None
            before = []
            for line in run.stderr:
                before.append(line)
                if "waiting for it at" in line:
                    kill_cloud(Place(folder=tmp_path / "cloud"))
                    break
            _, after = run.communicate(timeout=200)
        assert run.returncode == 125, "".join(before) + after
        assert "on cloud local: connection refused" in after
        (file,) = (folder / ".infraci" / "runs").glob("*/run.json")
        record = json.loads(file.read_text())
        (provision,) = (phase for phase in record["phases"] if phase["phase"] == "provision")
        assert provision["trouble"]["category"] == "api"
        assert provision["duration_s"] < 120, "the limit of the phase is 15 min"
        errors = list(ElementTree.parse(file.parent / "junit.xml").iter("error"))
        assert "guest" not in {error.get("type") for error in errors}
        with cloud.start(folder, "destroy", "--all") as destroy:
            assert destroy.wait(200) == 0
        assert cloud.inventory()["servers"] == frozenset()
