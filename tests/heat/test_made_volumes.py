"""Volumes that Nova made for a stack's servers are the run's, although they have no name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infraci.base.deadline import Deadline
from infraci.heat import Mark
from tests.heat.fakes import Answer, fake_cloud, resource_entry

BEGAN = "2026-11-28T12:00:00Z"


def volume(**more: Any) -> dict[str, Any]:
    """A volume that a server boots from."""
    return {
        "id": "v1",
        "name": "",
        "created_at": "2026-11-28T12:00:01.000000",
        "attachments": [{"server_id": "s1"}],
        **more,
    }


class Services:
    """A stack with a server, and volumes, of which the one that it boots from stays."""

    def __init__(self, *volumes: dict[str, Any]) -> None:
        self.volumes = list(volumes)

    def heat(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path.endswith("/resources"):
            server = resource_entry("web", physical_resource_id="s1")
            return 200, {"resources": [server]}
        return 200, {"stacks": [], "stack": {"id": "k", "stack_name": "x", "stack_status": "X"}}

    def nova(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if path == "/servers/s1":
            return 200, {"server": {"id": "s1", "created": BEGAN}}
        return 200, {"servers": [], "keypairs": []}

    def cinder(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "DELETE":
            self.volumes = [each for each in self.volumes if not path.endswith(each["id"])]
            return 202, None
        return 200, {"volumes": self.volumes, "snapshots": []}


def test_the_volume_that_a_server_boots_from_is_left_and_removed() -> None:
    services = Services(volume())
    cloud, _, clock = fake_cloud(services.heat, services.nova, cinder=services.cinder)
    mark = Mark(name="infraci-x-1", resources=cloud.resource_references("k"))
    limit = Deadline(600, clock=clock, sleep=clock.sleep)
    services.volumes[0]["attachments"] = []  # the server has gone
    assert [str(each) for each in cloud.leftovers(mark, deadline=limit)] == ["volume (v1)"]
    assert cloud.remove_leftovers(mark, deadline=limit) == ()
    assert services.volumes == []


@pytest.mark.parametrize(
    "other",
    [
        volume(attachments=[{"server_id": "s9"}]),
        volume(attachments=[]),
        volume(name="mine"),
        volume(created_at="2026-11-28T11:59:59.000000"),
    ],
    ids=["another's server", "no server", "a name", "older than the server"],
)
def test_others_are_left_alone(other: dict[str, Any]) -> None:
    services = Services(other)
    cloud, _, _ = fake_cloud(services.heat, services.nova, cinder=services.cinder)
    assert [each.id for each in cloud.resource_references("k")] == ["s1"]


def test_a_service_that_does_not_answer_keeps_no_stack_from_its_deletion() -> None:
    services = Services(volume())
    cloud, _, _ = fake_cloud(services.heat, services.nova, cinder=lambda *_: (503, None))
    assert [each.id for each in cloud.resource_references("k")] == ["s1"]
    without, _, _ = fake_cloud(services.heat, services.nova)
    assert [each.id for each in without.resource_references("k")] == ["s1"]
