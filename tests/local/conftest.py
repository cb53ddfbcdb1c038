"""The embedded cloud as a fixture: a process of its own, with state of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from infraci.local import cloud_process

Properties = Mapping[str, object]


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder; the tests' embedded cloud is the one that is there."""
    folder = tmp_path_factory.mktemp("cloud")
    before = os.environ.get("INFRACI_STATE_DIR")
    os.environ["INFRACI_STATE_DIR"] = str(folder)
    yield folder
    cloud_process.down()
    if before is None:
        del os.environ["INFRACI_STATE_DIR"]
    else:
        os.environ["INFRACI_STATE_DIR"] = before


@pytest.fixture
def cloud(state: Path) -> Iterator[Connection]:
    """The embedded cloud, up; whatever a test leaves on it is removed."""
    config = OpenStackConfig(config_files=[str(cloud_process.ensure_up())], load_envvars=False)
    connection = Connection(config=config.get_one("local"))
    yield connection
    for stack in connection.orchestration.stacks():
        connection.orchestration.delete_stack(stack)
    until(lambda: not list(connection.orchestration.stacks()))
    connection.close()


def hot(resources: Mapping[str, object], **sections: object) -> dict[str, object]:
    """A HOT template of these resources."""
    return {"heat_template_version": "2018-08-31", "resources": dict(resources), **sections}


def resource(type_: str, **properties: object) -> dict[str, Any]:
    """A resource of a template."""
    return {"type": type_, "properties": properties}


def server(**properties: object) -> dict[str, Any]:
    """A server of a template, with an image and a flavor."""
    return resource("OS::Nova::Server", **{"image": "debian-12", "flavor": "m1.tiny", **properties})


def network(cidr: str = "10.0.0.0/24", **subnet: object) -> dict[str, object]:
    """A network ``net`` with a subnet ``subnet``, for a template."""
    return {
        "net": resource("OS::Neutron::Net"),
        "subnet": resource(
            "OS::Neutron::Subnet", network={"get_resource": "net"}, cidr=cidr, **subnet
        ),
    }


def create(cloud: Connection, name: str, template: Mapping[str, object], **options: Any) -> Any:
    """Create a stack and return it when Heat is done with it, however it ended."""
    stack = cloud.orchestration.create_stack(name=name, template=template, **options)
    return settled(cloud, stack.id)


def settled(cloud: Connection, stack_id: str) -> Any:
    """Return a stack once Heat is done with it."""
    return until(
        lambda: next(
            (
                stack
                for stack in [cloud.orchestration.get_stack(stack_id)]
                if not stack.status.endswith("IN_PROGRESS")
            ),
            None,
        )
    )


def until(condition: Callable[[], Any], timeout_s: float = 300.0) -> Any:
    """Wait for a condition to hold; returns what it returned."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"it did not happen within {timeout_s:g} s")


def refusal(cloud: Connection, template: Mapping[str, object]) -> str:
    """What Heat says of a template when it is asked for a preview; empty if it is fine."""
    answer = cloud.orchestration.post(
        "/stacks/preview",
        json={"stack_name": "preview", "template": template, "files": {}, "environment": {}},
    )
    return "" if answer.status_code == 200 else str(json.loads(answer.text)["error"]["message"])
