"""``deploy/jenkins``: pinned, on loopback, and without secrets. Nothing here is run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy" / "jenkins"
#: What the Jenkinsfile and `infraci jenkins` want of a controller.
PLUGINS = {
    "configuration-as-code", "git", "junit", "junit-attachments", "pipeline-rest-api",
    "timestamper", "workflow-aggregator",
}  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def test_ports_are_on_loopback_only() -> None:
    for service in read("compose.yaml")["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", ["controller.Dockerfile", "agent/Dockerfile"])
def test_images_are_pinned(name: str) -> None:
    (image,) = re.findall(r"^FROM (\S+)$", (DEPLOY / name).read_text(), re.MULTILINE)
    assert re.search(r":\d", image)


def test_plugins_are_pinned() -> None:
    pinned = dict(line.split(":") for line in (DEPLOY / "plugins.txt").read_text().split())
    assert set(pinned) == PLUGINS
    assert all(re.match(r"\d", version) for version in pinned.values())


def test_every_variable_is_given_and_no_secret_stands_there() -> None:
    text = (DEPLOY / "jenkins.yaml").read_text()
    controller = read("compose.yaml")["services"]["controller"]
    variables = set(re.findall(r"\$\{([A-Z_]+)\}", text))
    assert variables == set(controller["environment"])
    files = set(re.findall(r"\$\{readFile(?:Base64)?:/run/secrets/(\w+)\}", text))
    assert files == set(controller["secrets"]) == set(read("compose.yaml")["secrets"])
    realm = read("jenkins.yaml")["jenkins"]["securityRealm"]["local"]
    assert realm["users"][0]["password"] == "${JENKINS_ADMIN_PASSWORD}"


def test_the_controller_is_as_closed_as_it_should_be() -> None:
    jenkins = read("jenkins.yaml")["jenkins"]
    assert jenkins["numExecutors"] == 0
    assert jenkins["authorizationStrategy"]["loggedInUsersCanDoAnything"] == {
        "allowAnonymousRead": False
    }
    assert "standard" in jenkins["crumbIssuer"]


def test_credentials_and_label_are_those_of_the_jenkinsfile() -> None:
    jenkinsfile = (DEPLOY.parents[1] / "Jenkinsfile").read_text()
    configuration = read("jenkins.yaml")
    (domain,) = configuration["credentials"]["system"]["domainCredentials"]
    known = {next(iter(credential.values()))["id"] for credential in domain["credentials"]}
    assert known == set(re.findall(r"credentialsId: '([^']+)'", jenkinsfile))
    (node,) = configuration["jenkins"]["nodes"]
    assert {node["permanent"]["labelString"]} == set(re.findall(r"label '([^']+)'", jenkinsfile))


def test_the_agent_is_what_the_controller_expects() -> None:
    agent = read("compose.yaml")["services"]["agent"]
    (node,) = read("jenkins.yaml")["jenkins"]["nodes"]
    assert agent["environment"]["JENKINS_AGENT_NAME"] == node["permanent"]["name"]
    assert f"workspaces:{node['permanent']['remoteFS']}" in agent["volumes"]


def test_the_agents_entrypoint_is_a_script() -> None:
    subprocess.run(["bash", "-n", DEPLOY / "agent" / "entrypoint"], check=True)
