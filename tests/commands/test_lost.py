"""Runs whose record is lost, whose network has others' things in it, that two destroy at once."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from tests.app.workspace import Workspace

pytestmark = pytest.mark.cloud


@pytest.fixture
def run_id(workspace: Workspace) -> str:
    """A run whose stack stands."""
    return stand(workspace)


@pytest.fixture
def clone(workspace: Workspace) -> Workspace:
    """A fresh clone, without a ledger."""
    other = replace(workspace, folder=workspace.folder.with_name("clone"))
    subprocess.run(["git", "clone", "--quiet", workspace.folder, other.folder], check=True)
    return other


@pytest.fixture
def cloud(workspace: Workspace, run_id: str) -> Iterator[Connection]:
    path = Path(workspace.infraci("cloud", "clouds-yaml").stdout.strip())
    config = OpenStackConfig(config_files=[str(path)], load_envvars=False)
    connection = Connection(config=config.get_one("local"))
    yield connection
    connection.close()


def test_a_fresh_clone_destroys_a_run_by_its_tags(
    workspace: Workspace, run_id: str, clone: Workspace
) -> None:
    done = clone.infraci("destroy", run_id)
    assert (done.returncode, done.stdout) == (0, f"{run_id}: destroyed\n"), done.stderr
    assert workspace.leftovers() == []
    again = clone.infraci("destroy", run_id)
    assert again.returncode == 2
    assert f"cannot find run {run_id}: there is no record of it here" in again.stderr
    assert workspace.infraci("destroy", run_id).returncode == 0  # gone already is a success


def test_a_run_whose_ledger_is_gone_is_destroyed_by_the_beginning_of_its_id(
    workspace: Workspace, run_id: str
) -> None:
    shutil.rmtree(workspace.folder / ".infraci")
    done = workspace.infraci("destroy", "--cloud", "local", run_id[:12])
    assert (done.returncode, done.stdout) == (0, f"{run_id}: destroyed\n"), done.stderr
    assert workspace.leftovers() == []


def test_gc_removes_a_kept_run_once_its_record_is_lost(
    workspace: Workspace, run_id: str, clone: Workspace
) -> None:
    assert clone.infraci("gc").stdout == "nothing to remove\n"
    shutil.rmtree(workspace.folder / ".infraci")
    why = f"stack infraci-{run_id}: its record is lost\n"
    dry = clone.infraci("gc", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, f"would remove {why}"), dry.stderr
    done = clone.infraci("gc")
    assert (done.returncode, done.stdout) == (0, f"removed {why}"), done.stderr
    assert workspace.leftovers() == []


def test_gc_leaves_a_kept_run_whose_repository_was_moved(
    workspace: Workspace, run_id: str, clone: Workspace
) -> None:
    moved = replace(workspace, folder=workspace.folder.rename(workspace.folder.with_name("moved")))
    left = clone.infraci("gc")
    assert f"left run {run_id} until it expires (" in left.stdout
    assert left.stdout.endswith("nothing to remove\n")
    done = moved.infraci("destroy", run_id)
    moved.folder.rename(workspace.folder)
    assert done.returncode == 0, done.stderr
    assert workspace.leftovers() == []


def test_a_kept_run_whose_repository_is_deleted_is_destroyed_from_any_folder(
    clone: Workspace, tmp_path: Path
) -> None:
    """By the command that gc names, as it is printed."""
    run_id = stand(clone)
    shutil.rmtree(clone.folder)
    anywhere = replace(clone, folder=tmp_path)
    line, last = anywhere.infraci("gc").stdout.splitlines()
    assert line.startswith(f"left run {run_id} until it expires (")
    assert last == "nothing to remove"
    program, *arguments = shlex.split(line.partition("; to remove it: ")[2])
    assert program == "infraci"
    done = anywhere.infraci(*arguments)
    assert (done.returncode, done.stdout) == (0, f"{run_id}: destroyed\n"), done.stderr
    assert anywhere.leftovers() == []
    assert anywhere.infraci("gc").stdout == "nothing to remove\n"


def test_what_others_put_into_the_network_is_named_and_left_alone(
    workspace: Workspace, run_id: str, cloud: Connection
) -> None:
    network = next(n for n in cloud.network.networks() if run_id in n.name)
    port = cloud.network.create_port(network_id=network.id, name="somebody-elses")
    done = workspace.infraci("destroy", run_id)
    assert done.returncode == 125
    assert f"port somebody-elses ({port.id}), which the run did not make" in done.stderr
    assert f"port delete {port.id}" in done.stderr
    assert cloud.network.find_port(port.id) is not None
    cloud.network.delete_port(port.id)
    assert workspace.infraci("destroy", run_id).returncode == 0
    assert workspace.leftovers() == []


def test_two_destroy_one_run_at_once(workspace: Workspace, run_id: str) -> None:
    with workspace.start("destroy", run_id) as first, workspace.start("destroy", run_id) as second:
        ends = [first.communicate(), second.communicate()]
    assert (first.returncode, second.returncode) == (0, 0), ends
    assert workspace.leftovers() == []


def test_a_run_at_work_is_not_destroyed_from_a_clone(
    workspace: Workspace, clone: Workspace
) -> None:
    with workspace.start("-v", "run", "tiny") as process:
        wait_for("CREATE_IN_PROGRESS", process)
        (run,) = json.loads(workspace.infraci("list", "--json").stdout)
        refused = clone.infraci("destroy", run["id"])
        _, output = process.communicate()
    assert process.returncode == 0, output
    assert refused.returncode == 2
    assert "a process of this machine is at work on it" in refused.stderr


def stand(workspace: Workspace) -> str:
    """Stand a stack up; returns the run's id."""
    done = workspace.infraci("provision", "tiny")
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(workspace.infraci("list", "--json").stdout)
    return str(run["id"])


def wait_for(mark: str, process: subprocess.Popen[str]) -> None:
    """Read what a command says until it says the mark."""
    assert process.stderr is not None
    assert any(mark in line for line in process.stderr)
