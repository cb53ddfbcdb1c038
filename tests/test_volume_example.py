"""The volume of examples/: its database is kept, although the server is replaced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import run_infraci

pytestmark = pytest.mark.cloud

EXAMPLE = Path(__file__).parents[1] / "examples" / "volume"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Path]:
    """The repository as examples/README.md has people build it."""
    folder = tmp_path / "journal"
    shutil.copytree(EXAMPLE, folder)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    commit(folder, "Keep a journal")
    template = folder / "stacks" / "journal.yaml"
    template.write_text(template.read_text().replace("default: 1\n", "default: 2\n"))
    commit(folder, "Release 2")
    yield folder
    infraci(folder, "cloud", "down")


def commit(folder: Path, subject: str) -> None:
    """Commit what is there."""
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    subprocess.run([*git, "add", "--all"], cwd=folder, check=True)
    subprocess.run([*git, "commit", "--quiet", f"--message={subject}"], cwd=folder, check=True)


def infraci(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line there, with an embedded cloud of its own."""
    environment = {**os.environ, "INFRACI_STATE_DIR": str(folder.parent / "cloud")}
    return run_infraci(*arguments, cwd=folder, env=environment)


def test_the_database_outlives_its_server(journal: Path) -> None:
    done = infraci(journal, "run")
    assert done.returncode == 0, done.stderr
    record = json.loads(infraci(journal, "logs", "--json").stdout)
    changes = {change["path"]: change["kind"] for change in record["changes"]}
    assert changes["database"] == "replaced"
    assert "disk" not in changes
    assert record["destroyed"]
