"""The upgrade of examples/: one commit that keeps the ledger, and one that would lose it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.processes import run_infraci

pytestmark = pytest.mark.cloud

BUILD = Path(__file__).parents[1] / "examples" / "upgrade" / "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The example's repository, and an embedded cloud of its own."""

    folder: Path
    state: Path

    def infraci(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line there."""
        environment = {**os.environ, "INFRACI_STATE_DIR": str(self.state)}
        return run_infraci(*arguments, cwd=self.folder, env=environment)

    def record(self) -> dict[str, Any]:
        """What is known of the latest run."""
        logs: dict[str, Any] = json.loads(self.infraci("logs", "--json").stdout)
        return logs


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """The repository as examples/README.md has people build it."""
    folder = tmp_path_factory.mktemp("upgrade")
    subprocess.run([BUILD, folder / "ledger"], check=True, capture_output=True)
    made = Ledger(folder=folder / "ledger", state=folder / "cloud")
    yield made
    made.infraci("cloud", "down")


def test_the_second_commit_keeps_the_ledger(ledger: Ledger) -> None:
    done = ledger.infraci("run", "--commit", "HEAD~1")
    assert done.returncode == 0, done.stderr
    record = ledger.record()
    assert record["base"]["subject"] == "Open the ledger"
    assert [(change["path"], change["kind"]) for change in record["changes"]] == [
        ("reader", "added")
    ]
    assert record["destroyed"]


def test_the_plan_foresees_what_the_third_does(ledger: Ledger) -> None:
    done = ledger.infraci("plan", "--json")
    assert done.returncode == 0, done.stderr
    (plan,) = json.loads(done.stdout)["pipelines"]
    assert {change["path"]: change["kind"] for change in plan["changes"]} == {
        "ledger": "replaced",
        "reader": "updated",
    }
    assert "upgrade.no_replace forbids" in " ".join(plan["notices"])


def test_the_third_would_lose_it(ledger: Ledger) -> None:
    done = ledger.infraci("run")
    assert done.returncode == 1, done.stderr
    record = ledger.record()
    failed = [case["name"] for case in record["testcases"] if case["outcome"] == "failure"]
    assert failed == ["ledger is kept"]
    assert record["commit"]["author"] == "Bert Builder"
    assert record["destroyed"]
