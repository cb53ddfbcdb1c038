"""The command line with a real server, while everything that it asks goes wrong once."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clouds import CloudUnderTest
from tests.contract.repository import FILES, PROJECT
from tests.faults.fakes import clouds_yaml
from tests.faults.proxy import PASSING, Call, Plan, Proxy

pytestmark = pytest.mark.timeout(600)

#: What the cloud behind the proxy is called.
NAME = "spoiled"


@pytest.fixture(
    params=[
        pytest.param("near_cloud", marks=pytest.mark.cloud, id="embedded"),
        pytest.param("live_cloud", marks=pytest.mark.live, id="live"),
    ]
)
def cloud(request: pytest.FixtureRequest) -> CloudUnderTest:
    """Each cloud in turn."""
    fixture: CloudUnderTest = request.getfixturevalue(request.param)
    return fixture


def repository(folder: Path, cloud: CloudUnderTest) -> None:
    """Make the contract's repository, in which the spoiled cloud has the other's names."""
    names = yaml.safe_load(PROJECT)["clouds"]
    project = yaml.safe_dump({"clouds": {**names, NAME: names[cloud.name]}})
    for name, text in {**FILES, "infraci.yaml": project}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    somebody = ("-c", "user.name=Somebody", "-c", "user.email=s@example.org")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=Go"]):
        subprocess.run(["git", *somebody, *command], cwd=folder, check=True)


@pytest.mark.parametrize("fault", ["reset-after", "truncated"])
def test_a_whole_run(cloud: CloudUnderTest, proxy: Proxy, tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    repository(folder, cloud)
    path = clouds_yaml(tmp_path, cloud.connection, proxy, name=NAME)
    seen: set[Call] = set()

    def first_time(call: Call) -> bool:
        is_new = call not in seen
        seen.add(call)
        return is_new

    proxy.plan = Plan(fault=PASSING[fault], spoils=first_time, times=1000)
    reached = {**cloud.environment, "OS_CLIENT_CONFIG_FILE": str(path)}
    spoiled_cloud = replace(cloud, name=NAME, environment=reached)
    with spoiled_cloud.start(folder, "run", "web", "--cloud", NAME) as process:
        try:
            stdout, stderr = process.communicate()
        finally:
            process.terminate()  # should we not have waited for its end
    spoiled = proxy.plan.spoiled
    proxy.plan = Plan()
    assert process.returncode == 0, stdout + stderr
    assert spoiled > 15
    (record,) = (folder / ".infraci" / "runs").glob("*/run.json")
    run: dict[str, Any] = json.loads(record.read_text())
    assert run["api_calls"]["compute POST"] >= 2
    assert run["leaks"] == []
    things = [thing for things in cloud.inventory().values() for thing in things]
    assert [thing for thing in things if run["id"] in thing] == []
