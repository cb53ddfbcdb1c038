"""A suspended or paused server's processes are held, and go on when it is resumed."""

from __future__ import annotations

from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException

from tests.local.conftest import create, hot, network, settled, until
from tests.local.test_server import on_net

pytestmark = pytest.mark.cloud


def act(cloud: Connection, stack: Any, action: str) -> str:
    """The status of a stack after an action such as ``suspend``."""
    path = f"/stacks/{stack.name}/{stack.id}/actions"
    cloud.orchestration.post(path, json={action: None}).raise_for_status()
    ended = until(lambda: (s := settled(cloud, stack.id)).status.startswith(action.upper()) and s)
    return str(ended.status)


def test_a_stack_is_suspended_and_resumed(cloud: Connection) -> None:
    stack = create(cloud, "suspended", hot({**network(gateway_ip=None), "web": on_net()}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    assert act(cloud, stack, "suspend") == "SUSPEND_COMPLETE"
    suspended = cloud.compute.get_server(web.id)
    assert (suspended.status, suspended.vm_state) == ("SUSPENDED", "suspended")
    with pytest.raises(ConflictException, match="while it is in vm_state suspended"):
        cloud.compute.stop_server(web.id)
    assert act(cloud, stack, "resume") == "RESUME_COMPLETE"
    assert cloud.compute.get_server(web.id).status == "ACTIVE"


def test_a_paused_server_can_be_rebooted_the_hard_way_and_deleted(cloud: Connection) -> None:
    stack = create(cloud, "paused", hot({**network(gateway_ip=None), "web": on_net()}))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    (web,) = cloud.compute.servers()
    cloud.compute.pause_server(web.id)
    assert cloud.compute.get_server(web.id).status == "PAUSED"
    with pytest.raises(ConflictException, match="Cannot 'reboot' instance"):
        cloud.compute.reboot_server(web.id, "SOFT")
    cloud.compute.reboot_server(web.id, "HARD")
    assert cloud.compute.get_server(web.id).status == "ACTIVE"
    cloud.compute.pause_server(web.id)
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.compute.servers()))
