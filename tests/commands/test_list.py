"""``infraci list``: what has become of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infraci.ledger.ledger import Ledger
from infraci.model.run import PhaseResult, Verdict
from tests.app.workspace import Workspace
from tests.records import record

PHASES = record().phases


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(folder=tmp_path / "repository", state=tmp_path / "state")
    workspace.create({"README": "x\n"})
    return workspace


@pytest.mark.parametrize(
    ("verdict", "destroy", "phases", "state"),
    [
        (Verdict.FAILED, "passing", PHASES, "kept"),
        (None, "never", PHASES[:2], "kept"),  # as `infraci provision` leaves it
        (None, "never", PHASES[:1], "killed"),
        (None, "always", PHASES, "killed"),
    ],
)
def test_what_has_become_of_a_run(
    workspace: Workspace,
    verdict: Verdict | None,
    destroy: str,
    phases: tuple[PhaseResult, ...],
    state: str,
) -> None:
    run = record(verdict=verdict, destroy=destroy, phases=phases)
    with Ledger(workspace.folder).create(run):
        assert "at work" in workspace.infraci("list").stdout
    (shown,) = json.loads(workspace.infraci("list", "--json").stdout)
    assert shown["state"] == state
    assert f"run {run.id}: {verdict or state}" in workspace.infraci("logs").stdout


def test_the_latest_only(workspace: Workspace) -> None:
    for number in range(4):
        run = record(id=f"web-{number}", created=1000.0 + number)
        Ledger(workspace.folder).create(run).release()
    lines = workspace.infraci("list", "--limit", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "web-2", "web-3"]
