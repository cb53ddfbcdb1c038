"""A stack that failed: the server, Nova's word on it, and its own last ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.deadline import Deadline
from infraci.heat import StackFailedError
from tests.heat.fakes import Answer, fake_cloud, links, resource_entry, stack_entry

FAULT = "No valid host was found. There are not enough hosts available."


def failure(resources: list[dict[str, Any]], server: Mapping[str, Any] | None) -> StackFailedError:
    """What a stack says that failed with these resources, on a cloud with one server."""

    def heat(method: str, path: str, said: Mapping[str, Any]) -> Answer:
        if path.endswith("/events"):
            return 200, {"events": []}
        if path.endswith("/resources"):
            return 200, {"resources": resources}
        return 200, stack_entry("CREATE_FAILED", stack_status_reason="Resource CREATE failed")

    def nova(method: str, path: str, said: Mapping[str, Any]) -> Answer:
        if server is None:
            return 404, None
        if path.endswith("/action"):
            return 200, {"output": "\n".join(f"line {number}" for number in range(50))}
        return 200, {"server": server}

    cloud, _, clock = fake_cloud(heat, nova)
    with pytest.raises(StackFailedError) as caught:
        cloud.wait("s-1", deadline=Deadline(60, clock=clock, sleep=clock.sleep))
    return caught.value


def test_a_server_in_error() -> None:
    reason = 'ResourceInError: resources.web: Went to status ERROR due to "Unknown"'
    web = resource_entry(
        "web", "CREATE_FAILED", physical_resource_id="id1", resource_status_reason=reason
    )
    server = {"id": "id1", "name": "web-0", "status": "ERROR", "fault": {"message": FAULT}}
    error = failure([web], server)
    assert error.category == "no valid host"
    assert error.message.endswith(f'Went to status ERROR due to "Unknown"; Nova says: {FAULT}')
    assert f"server web-0 is ERROR: {FAULT}" in error.details
    assert error.details.splitlines()[-1] == "line 49"
    assert "line 34" not in error.details


def test_a_server_that_is_gone() -> None:
    web = resource_entry("web", "CREATE_FAILED", physical_resource_id="id1")
    assert failure([web], None).details == ""


def test_a_signal_that_never_came_shows_the_servers_consoles() -> None:
    reason = "WaitConditionTimeout: resources.ready: 0 of 1 received"
    ready = resource_entry("ready", "CREATE_FAILED", resource_status_reason=reason)
    ready["resource_type"] = "OS::Heat::WaitCondition"
    web = resource_entry("web", physical_resource_id="id1")
    error = failure([ready, web], {"id": "id1", "name": "web-0", "status": "ACTIVE"})
    assert error.category == "guest"
    assert "server web-0 is ACTIVE" in error.details


def test_what_is_deepest_is_told() -> None:
    group = resource_entry("group", "CREATE_FAILED", links=links("web", "web-group"))
    port = resource_entry(
        "port",
        "CREATE_FAILED",
        links=links("web-group"),
        resource_status_reason="OverQuotaClient: resources.port: Quota exceeded for: ['port']",
    )
    port["resource_type"] = "OS::Neutron::Port"
    error = failure([group, port], None)
    assert (error.resource, error.category) == ("group.port", "quota")
