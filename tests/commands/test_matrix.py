"""A matrix for real: two cells at once, both told apart, both torn down whatever comes."""

from __future__ import annotations

import json
import signal

import pytest

from tests.app.workspace import PIPELINE, STACK, Workspace

pytestmark = pytest.mark.cloud

CELLS = ("tiny[m1.nano]", "tiny[m1.tiny]")
FILES = {
    "stack.yaml": STACK.replace("flavor: m1.tiny", "flavor: {get_param: flavor}").replace(
        "parameters:\n", "parameters:\n  flavor: {type: string}\n"
    ),
    "pipelines/tiny.yaml": PIPELINE + "matrix: {parameters: {flavor: [m1.nano, m1.tiny]}}\n",
}


@pytest.fixture
def matrix(workspace: Workspace) -> Workspace:
    """The repository, its pipeline a matrix of two cells."""
    workspace.write(FILES, "Test two flavors")
    return workspace


def test_two_cells_at_once(matrix: Workspace) -> None:
    done = matrix.infraci("run", "-j", "2", "--report", "out")
    assert done.returncode == 0, done.stderr
    lines = done.stderr.partition(f"{CELLS[0]} | ")
    lines_of_runs = (lines[1] + lines[2]).splitlines()
    assert {line.partition(" | ")[0] for line in lines_of_runs} == set(CELLS)
    for cell in CELLS:
        assert (matrix.folder / "out" / f"{cell}.xml").exists()
        assert cell in done.stdout
    listed = json.loads(matrix.infraci("list", "--json").stdout)
    assert sorted(run["pipeline"] for run in listed) == list(CELLS)
    assert matrix.leftovers() == []


def test_ctrl_c_tears_both_down(matrix: Workspace) -> None:
    code, output = matrix.stop_at("web CREATE_IN_PROGRESS", [signal.SIGINT], "-j", "2")
    assert code == 130, output
    assert matrix.leftovers() == []


def test_one_cell_by_its_name_and_what_a_commit_touches(matrix: Workspace) -> None:
    planned = matrix.infraci("plan", CELLS[1])
    assert planned.returncode == 0, planned.stdout
    assert "m1.tiny" in planned.stdout
    assert "m1.nano" not in planned.stdout
    matrix.write({"README.md": "a shop\n"}, "Say what it is")
    left = matrix.infraci("run")
    assert left.returncode == 0
    assert f"{CELLS[0]}: left, nothing that it uses has changed" in left.stderr
    assert "nothing to run" in left.stderr
