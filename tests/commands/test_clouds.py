"""Clouds are described as openstacksdk wants them: files, secrets beside them, environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.workspace import Workspace
from tests.commands.test_run import outcomes
from tests.processes import run_infraci

pytestmark = pytest.mark.cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The embedded cloud, described as somebody else's."""

    workspace: Workspace
    auth: Mapping[str, str]

    def infraci(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line with these variables, and none of ours."""
        ours = ("OS_", "INFRACI_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        return run_infraci(*words, cwd=self.workspace.folder, env={**environment, **variables})

    def write(self, name: str, cloud: Mapping[str, Any]) -> Path:
        """Write a file with a cloud."""
        path = self.workspace.folder.parent / name
        path.write_text(yaml.safe_dump({"clouds": {"elsewhere": cloud}}))
        return path


@pytest.fixture
def elsewhere(workspace: Workspace) -> Elsewhere:
    workspace.infraci("cloud", "up")
    file = Path(workspace.infraci("cloud", "clouds-yaml").stdout.strip())
    return Elsewhere(
        workspace=workspace, auth=yaml.safe_load(file.read_text())["clouds"]["local"]["auth"]
    )


def test_a_file_and_its_secrets(elsewhere: Elsewhere) -> None:
    """All the way on a cloud that is not called local: quotas are looked at, names are mapped."""
    output = {name: value for name, value in elsewhere.auth.items() if name != "password"}
    clouds = elsewhere.write("clouds.yaml", {"auth": output, "region_name": "local"})
    secure = elsewhere.write("secure.yaml", {"auth": {"password": elsewhere.auth["password"]}})
    files = {"OS_CLIENT_CONFIG_FILE": str(clouds), "OS_CLIENT_SECURE_FILE": str(secure)}
    stack = (elsewhere.workspace.folder / "stack.yaml").read_text()
    names = "clouds: {elsewhere: {images: {our-debian: debian-12}}}\n"
    elsewhere.workspace.write(
        {"stack.yaml": stack.replace("debian-12", "our-debian"), "infraci.yaml": names}
    )
    done = elsewhere.infraci("run", "--cloud", "elsewhere", "--report", "out", **files)
    assert done.returncode == 0, done.stderr
    assert outcomes(elsewhere.workspace.folder / "out" / "tiny.xml") == []
    done = elsewhere.infraci("doctor", "--cloud", "elsewhere", "tiny", "--json", **files)
    findings = json.loads(done.stdout)["findings"]
    assert [finding["what"] for finding in findings if not finding["well"]] == []
    secure.unlink()
    done = elsewhere.infraci("doctor", "--cloud", "elsewhere", **files)
    assert done.returncode == 2
    assert "password" in done.stdout + done.stderr


def test_variables(elsewhere: Elsewhere) -> None:
    variables = {f"OS_{name.upper()}": value for name, value in elsewhere.auth.items()}
    done = elsewhere.infraci("doctor", "--cloud", "envvars", "tiny", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ token: infraci in project infraci" in done.stdout
    variables["OS_PASSWORD"] = "wrong"
    done = elsewhere.infraci("doctor", "--cloud", "envvars", **variables)
    assert done.returncode == 2
    assert "✗ token: cannot log in to cloud envvars: the login was refused" in done.stdout


def test_a_token_that_somebody_else_asked_for(elsewhere: Elsewhere) -> None:
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session

    output: dict[str, Any] = dict(elsewhere.auth)
    session = Session(auth=v3.Password(**output))
    auth = {
        "auth_url": elsewhere.auth["auth_url"],
        "token": str(session.get_token()),
        "project_name": elsewhere.auth["project_name"],
        "project_domain_id": elsewhere.auth["project_domain_id"],
    }
    clouds = elsewhere.write("clouds.yaml", {"auth_type": "token", "auth": auth})
    done = elsewhere.infraci("doctor", "--cloud", "elsewhere", OS_CLIENT_CONFIG_FILE=str(clouds))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("auth", "output"),
    [
        ({"auth_url": "http://127.0.0.1:1/v3", "username": "u", "password": "p",
          "project_name": "p", "user_domain_id": "default", "project_domain_id": "default"},
         "refused"),
        ({"username": "u", "password": "p"}, "auth_url"),
    ],
)  # fmt: skip
def test_a_cloud_that_is_described_badly(
    elsewhere: Elsewhere, auth: Mapping[str, str], output: str
) -> None:
    clouds = elsewhere.write("clouds.yaml", {"auth": auth})
    done = elsewhere.infraci("doctor", "--cloud", "elsewhere", OS_CLIENT_CONFIG_FILE=str(clouds))
    assert done.returncode == 2, done.stdout + done.stderr
    assert output in done.stdout + done.stderr
    done = elsewhere.infraci("doctor", "--cloud", "elswhere", OS_CLIENT_CONFIG_FILE=str(clouds))
    assert 'did you mean "elsewhere"?' in done.stderr


#: What the embedded cloud has nothing for, and names that it does not know.
ELSEWHERE = """\
heat_template_version: 2018-08-31
parameters: {key_name: {type: string, constraints: [{custom_constraint: nova.keypair}]}}
resources:
  disk: {type: OS::Cinder::Volume, properties: {size: 1, volume_type: fast}}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: lan-subnet}}
  web:
    type: OS::Nova::Server
    properties:
      name: web
      image: Debian 13
      flavor: large-ssd
      availability_zone: north
      key_name: {get_param: key_name}
      networks: [{network: lan}]
      metadata: {role: web}
"""


def test_a_plan_for_any_cloud_asks_nothing_of_it(elsewhere: Elsewhere) -> None:
    auth = {**elsewhere.auth, "auth_url": "http://127.0.0.1:1/v3"}
    files = {"OS_CLIENT_CONFIG_FILE": str(elsewhere.write("clouds.yaml", {"auth": auth}))}
    files["INFRACI_STATE_DIR"] = str(elsewhere.workspace.state)
    elsewhere.workspace.write({"stack.yaml": ELSEWHERE}, "Go elsewhere")
    done = elsewhere.infraci("plan", "--cloud", "elsewhere", "--json", **files)
    assert done.returncode == 0, done.stdout + done.stderr
    (plan,) = json.loads(done.stdout)["pipelines"]
    assert [resource["name"] for resource in plan["resources"]] == ["balancer", "disk", "web"]
    (server,) = plan["servers"]
    assert (server["role"], server["image"], server["specs"]) == ("web", "Debian 13", ["specs"])
    assert [step["servers"] for step in plan["steps"]] == [["web"], ["web"]]
    needs = 'flavor "large-ssd", image "Debian 13", network "lan"'
    assert f"a run needs on cloud elsewhere: {needs}" in plan["notices"]
    elsewhere.workspace.write({"stack.yaml": ELSEWHERE.replace("flavor", "flavour")}, "Break it")
    done = elsewhere.infraci("plan", "--cloud", "elsewhere", **files)
    assert done.returncode == 1
    assert "stack.yaml:11:7: resources.web.properties.flavour: Unknown Property" in done.stdout
    assert 'did you mean "flavor"?' in done.stdout
    done = elsewhere.infraci("plan", "--cloud", "elsewhere", "--online", **files)
    assert done.returncode == 125
