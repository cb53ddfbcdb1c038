"""One pipeline file on the embedded cloud and on a real OpenStack, unchanged but for names."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from openstack.connection import Connection

from tests.contract.conftest import Repository
from tests.contract.repository import OUTSIDE, PIPELINE, SPEC, WITH_DEPLOYMENT, WITH_VOLUME
from tests.local.conftest import until
from tests.processes import finish

pytestmark = pytest.mark.timeout(900)

BAD_SPEC = SPEC + "\n\ndef test_nope(host):\n    assert host.file('/nope').exists\n"
WAITING = PIPELINE.replace("stack.yaml", "stuck.yaml") + "timeouts: {provision: 15s}\n"


def test_create(repository: Repository) -> None:
    done = repository.run()
    assert done.returncode == 0, done.stderr
    assert "2 passed" in done.stderr


def test_a_volume_is_a_block_device(repository: Repository) -> None:
    spec = "def test_disk(host):\n    assert host.run('test -b /dev/vdb').succeeded\n"
    repository.write({"stack.yaml": WITH_VOLUME, "specs/test_web.py": spec})
    done = repository.run()
    assert done.returncode == 0, done.stderr
    assert "1 passed" in done.stderr


def test_a_deployment_that_fails_shows_what_it_printed(repository: Repository) -> None:
    repository.write({"stack.yaml": WITH_DEPLOYMENT})
    run = repository.start("run")
    if repository.cloud.name != "local":  # its guests have no agents
        _signal_as_an_agent_would(repository.cloud.connection)
    done = finish(run)
    assert done.returncode == 1, done.stderr
    assert "non-zero status code: 3: cp: cannot stat 'data'" in done.stderr


def _signal_as_an_agent_would(cloud: Connection) -> None:
    """Tell Heat how the deployment of WITH_DEPLOYMENT ended, once it waits for that."""

    def waiting() -> str | None:
        for stack in cloud.orchestration.stacks():
            path = f"/stacks/{stack.name}/{stack.id}/resources/deployed"
            answer = cloud.orchestration.get(path)
            attributes = answer.json()["resource"]["attributes"] if answer.ok else {}
            if attributes.get("status_reason") == "Deploy data available":
                return path
        return None

    path = until(waiting, timeout_s=300)
    printed = {"deploy_stderr": "cp: cannot stat 'data'\n", "deploy_status_code": 3}
    cloud.orchestration.post(f"{path}/signal", json=printed).raise_for_status()


def test_fail(repository: Repository) -> None:
    repository.write({"stack.yaml": OUTSIDE})
    done = repository.run()
    assert done.returncode == 1, done.stderr
    assert "port" in done.stderr
    assert "10.60.0.10" in done.stderr


def test_timeout(repository: Repository) -> None:
    repository.write({"pipelines/web.yaml": WAITING})
    done = repository.run()
    assert done.returncode == 1, done.stderr  # the cloud waits for the commit's servers only
    assert "stuck" in done.stderr
    assert "15 s" in done.stderr


def test_evidence(repository: Repository) -> None:
    repository.write({"specs/test_web.py": BAD_SPEC})
    done = repository.run()
    assert done.returncode == 1, done.stderr
    assert "test_nope[web]" in done.stderr
    files = [Path(file) for file in repository.infraci("logs", "--files").stdout.splitlines()]
    saved = {file.name: file.read_text() for file in files if file.is_file()}
    assert "BEGIN SSH HOST KEY KEYS" in saved["console.log"]
    assert "10.50.0.10" in saved["addresses.txt"]
    assert "sshd" in saved["processes.txt"] or "dropbear" in saved["processes.txt"]
    assert "CREATE_COMPLETE" in saved["stack-events.txt"]


def test_login_and_delete(repository: Repository) -> None:
    made = finish(repository.start("provision", "web"))
    assert made.returncode == 0, made.stderr
    run = made.stdout.strip()
    output = repository.infraci("exec", run, "web", "--", "sh", "-c", 'echo "a  b"; exit 5')
    assert (output.stdout, output.returncode) == ("a  b\n", 5)
    assert (
        repository.infraci("gc", "--cloud", repository.cloud.name).stdout == "nothing to remove\n"
    )
    for _ in range(2):
        gone = repository.infraci("destroy", run)
        assert gone.returncode == 0, gone.stderr
    (listed,) = json.loads(repository.infraci("list", "--json").stdout)
    assert listed["state"] == "destroyed"


def test_gc(repository: Repository, tmp_path: Path) -> None:
    """What a killed process left is found by its tags, from where nobody remembers the run."""
    repository.write({"pipelines/web.yaml": WAITING.replace("15s", "10m")})
    process = repository.cloud.start(
        repository.folder, "-v", "run", "--cloud", repository.cloud.name
    )
    run = _killed_at(process, "stuck CREATE_IN_PROGRESS")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    gc = ("gc", "--cloud", repository.cloud.name)
    planned = finish(repository.cloud.start(elsewhere, *gc, "--dry-run")).stdout
    assert planned == f"would remove stack infraci-{run}: its process died\n"
    assert any(run in name for name in repository.cloud.inventory()["stacks"])
    removed = finish(repository.cloud.start(elsewhere, *gc))
    # The key pair goes with the stack: the fixture sees that nothing is left.
    assert removed.stdout == f"removed stack infraci-{run}: its process died\n", removed.stderr


def test_gc_refuses_what_is_not_ours(repository: Repository) -> None:
    cloud = repository.cloud.connection
    template = {"heat_template_version": "2018-08-31", "resources": {}}
    stack = cloud.orchestration.create_stack(name="infraci-somebody-elses", template=template)
    pair = cloud.compute.create_keypair(name="infraci-somebody-elses")
    try:
        done = repository.infraci("gc", "--cloud", repository.cloud.name)
        assert done.stdout == "nothing to remove\n"
        assert cloud.orchestration.find_stack(stack.name) is not None
        assert cloud.compute.find_keypair(pair.name) is not None
    finally:
        cloud.delete_stack(stack.id, wait=True)
        cloud.compute.delete_keypair(pair)


def test_two_at_once_with_the_same_addresses(repository: Repository) -> None:
    both = [repository.start("run") for _ in range(2)]
    done = [finish(process) for process in both]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]


def _killed_at(process: subprocess.Popen[str], mark: str) -> str:
    """Kill a process as soon as it says the mark; returns its run's id."""
    assert process.stderr is not None
    run = ""
    for line in process.stderr:
        if "infraci destroy" in line:
            run = line.split()[-1]
        if mark in line:
            break
    process.kill()
    process.communicate()
    return run
