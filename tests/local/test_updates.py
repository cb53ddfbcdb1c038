"""Updates of stacks: what Heat changes in place, replaces, grows, and rolls back."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from openstack.connection import Connection

from tests.local.conftest import create, hot, network, resource, server, settled, until

pytestmark = pytest.mark.cloud

NIC = {"network": {"get_resource": "net"}}
Template = Mapping[str, object]


def with_server(extra: Mapping[str, object] | None = None, **properties: Any) -> dict[str, object]:
    """A template of a network, and of a server on it."""
    web = server(**{"name": "web", "networks": [NIC], **properties})
    return hot({**network(), "web": {**web, "depends_on": "subnet"}, **(extra or {})})


def create_complete(cloud: Connection, template: Template) -> Any:
    """A stack that stands."""
    stack = create(cloud, "updated", template)
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    return stack


def update(
    cloud: Connection, stack: Any, template: Template, status: str = "UPDATE_COMPLETE"
) -> Any:
    """Update a stack, with rollback."""
    body = {"template": template, "disable_rollback": False, "files": {}, "environment": {}}
    answer = cloud.orchestration.put(f"/stacks/{stack.name}/{stack.id}", json=body)
    assert answer.status_code == 202, answer.text
    after = settled(cloud, stack.id)
    assert after.status == status, after.status_reason
    return after


def only(cloud: Connection) -> Any:
    """The one server there is."""
    (server,) = cloud.compute.servers()
    return server


def inside(server_id: str, command: str) -> str:
    """What a command says within a server."""
    done = subprocess.run(
        ["podman", "exec", f"infraci-{server_id}", "sh", "-c", command],
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().strip()


def test_what_needs_no_new_server(cloud: Connection) -> None:
    group = {"group": resource("OS::Neutron::SecurityGroup", rules=[{"protocol": "tcp"}])}
    stack = create_complete(
        cloud, with_port("10.0.0.10", group, metadata={"role": "web", "old": "1"})
    )
    before = only(cloud)
    update(
        cloud,
        stack,
        with_port(
            "10.0.0.10",
            group,
            port={"security_groups": [{"get_resource": "group"}]},
            name="renamed",
            metadata={"role": "app"},
            tags=["a"],
        ),
    )
    after = only(cloud)
    assert after.id == before.id
    assert (after.name, after.metadata) == ("renamed", {"role": "app"})
    assert cloud.compute.get(f"/servers/{after.id}/tags").json() == {"tags": ["a"]}
    (port,) = cloud.network.ports(device_id=after.id)
    groups = cloud.network.security_groups()
    updated = [group.id for group in groups if group.name.startswith("updated-group-")]
    assert port.security_group_ids == updated


def test_user_data_that_is_ignored(cloud: Connection) -> None:
    def template(word: str) -> dict[str, object]:
        return with_server(
            user_data_format="RAW",
            user_data=f"#!/bin/sh\n: {word}\n",
            user_data_update_policy="IGNORE",
        )

    stack = create_complete(cloud, template("one"))
    before = only(cloud)
    update(cloud, stack, template("two"))
    assert only(cloud).id == before.id


def reached(cloud: Connection) -> bool:
    """Whether the host gets an answer from the server's port 22 at its access address."""

    def answers() -> bool:
        try:
            with socket.create_connection((only(cloud).access_ipv4, 22), timeout=1) as link:
                link.settimeout(2)
                return link.recv(4) == b"SSH-"
        except OSError:
            return False

    return bool(until(answers, 30))


def two_networks() -> dict[str, object]:
    """A second network for a template."""
    return {
        "net2": resource("OS::Neutron::Net"),
        "subnet2": resource(
            "OS::Neutron::Subnet", network={"get_resource": "net2"}, cidr="10.0.2.0/24"
        ),
    }


def test_the_host_reaches_a_server_whatever_becomes_of_its_cards(cloud: Connection) -> None:
    resources = two_networks()
    second = {"network": {"get_resource": "net2"}}
    stack = create_complete(cloud, with_server(resources))
    before = only(cloud)
    assert reached(cloud)
    update(cloud, stack, with_server(resources, networks=[NIC, second]))
    assert only(cloud).id == before.id
    assert {a["addr"][:6] for net in only(cloud).addresses.values() for a in net} == {
        "10.0.0", "10.0.2",
    }  # fmt: skip
    assert "10.0.2." in inside(before.id, "hostname -I || ip -br -4 address")
    update(cloud, stack, with_server(resources, networks=[second]))
    assert only(cloud).id == before.id
    assert "10.0.0." not in inside(before.id, "ip -br -4 address")
    assert reached(cloud)
    update(cloud, stack, with_server(resources, networks=[{**second, "fixed_ip": "10.0.2.77"}]))
    assert only(cloud).id == before.id
    assert "10.0.2.77/24" in inside(before.id, "ip -br -4 address")
    assert reached(cloud)


def with_port(
    address: str,
    extra: Mapping[str, object] | None = None,
    *,
    port: Mapping[str, Any] | None = None,
    **properties: Any,
) -> dict[str, object]:
    """A template of a server on a port of its own."""
    fixed = {"subnet": {"get_resource": "subnet"}, "ip_address": address}
    own = resource(
        "OS::Neutron::Port",
        **{"network": {"get_resource": "net"}, "fixed_ips": [fixed], **(port or {})},
    )
    web = server(**{"name": "web", "networks": [{"port": {"get_resource": "port"}}], **properties})
    return hot({**network(), "port": own, "web": web, **(extra or {})})


def test_a_port_gets_another_address(cloud: Connection) -> None:
    stack = create_complete(cloud, with_port("10.0.0.10"))
    before = only(cloud)
    update(cloud, stack, with_port("10.0.0.20"))
    assert only(cloud).id == before.id
    assert "10.0.0.20/24" in inside(before.id, "ip -br -4 address")
    assert reached(cloud)


def test_a_replaced_server_takes_its_port_over(cloud: Connection) -> None:
    stack = create_complete(
        cloud, with_port("10.0.0.10", user_data_format="RAW", user_data="#!/bin/sh\n:\n")
    )
    before = only(cloud)
    update(
        cloud, stack, with_port("10.0.0.10", user_data_format="RAW", user_data="#!/bin/sh\ntrue\n")
    )
    assert only(cloud).id != before.id
    assert "10.0.0.10/24" in inside(only(cloud).id, "ip -br -4 address")
    assert reached(cloud)


def test_a_subnet_changes_in_place(cloud: Connection) -> None:
    def template(**subnet: Any) -> dict[str, object]:
        return hot(network(**subnet))

    stack = create_complete(cloud, template(dns_nameservers=["192.0.2.1"]))
    (before,) = [s for s in cloud.network.subnets() if s.cidr == "10.0.0.0/24"]
    update(
        cloud,
        stack,
        template(
            dns_nameservers=["192.0.2.2"],
            allocation_pools=[{"start": "10.0.0.50", "end": "10.0.0.60"}],
            host_routes=[{"destination": "192.0.2.0/24", "nexthop": "10.0.0.2"}],
        ),
    )
    after = cloud.network.get_subnet(before.id)
    assert after.dns_nameservers == ["192.0.2.2"]
    assert after.allocation_pools == [{"start": "10.0.0.50", "end": "10.0.0.60"}]
    update(cloud, stack, hot(network("10.9.0.0/24")))
    (after,) = [s for s in cloud.network.subnets() if s.cidr.startswith("10.")]
    assert (after.id != before.id, after.cidr) == (True, "10.9.0.0/24")


def group(count: int, word: str = "one", **policy: Any) -> dict[str, object]:
    """A template of a group of servers."""
    member = server(
        name="app-%index%",
        networks=[NIC],
        user_data_format="RAW",
        user_data=f"#!/bin/sh\n: {word}\n",
    )
    members = resource("OS::Heat::ResourceGroup", count=count, resource_def=member)
    return hot({**network(), "group": {**members, "depends_on": "subnet", **policy}})


def test_a_group_grows_and_shrinks(cloud: Connection) -> None:
    stack = create_complete(cloud, group(2))
    before = {s.name: s.id for s in cloud.compute.servers()}
    update(cloud, stack, group(3))
    grown = {s.name: s.id for s in cloud.compute.servers()}
    assert grown.keys() == {"app-0", "app-1", "app-2"}
    assert before.items() <= grown.items()
    update(cloud, stack, group(1))
    assert {s.name: s.id for s in cloud.compute.servers()} == {"app-0": before["app-0"]}


def test_a_group_is_replaced_batch_by_batch(cloud: Connection) -> None:
    policy: dict[str, Any] = {
        "update_policy": {"rolling_update": {"max_batch_size": 1, "min_in_service": 1}},
    }
    stack = create_complete(cloud, group(2, **policy))
    before = {s.id for s in cloud.compute.servers()}
    update(cloud, stack, group(2, "two", **policy))
    after = {s.id for s in cloud.compute.servers()}
    assert len(after) == 2
    assert not before & after


def test_a_failed_update_is_rolled_back(cloud: Connection) -> None:
    def template(role: str, **resources: object) -> dict[str, object]:
        return with_server(resources, metadata={"role": role})

    extra = server(name="extra", networks=[NIC])
    never = resource("OS::Heat::TestResource", fail=True)
    stack = create_complete(cloud, template("web"))
    before = only(cloud)
    after = update(
        cloud,
        stack,
        template(
            "app",
            extra={**extra, "depends_on": "subnet"},
            never={**never, "depends_on": ["extra", "web"]},
        ),
        "ROLLBACK_COMPLETE",
    )
    assert after.id == stack.id
    assert (only(cloud).id, only(cloud).metadata) == (before.id, {"role": "web"})
    assert reached(cloud)


def test_a_replacement_that_fails_leaves_the_server_and_its_port(cloud: Connection) -> None:
    stack = create_complete(cloud, with_port("10.0.0.10"))
    before = only(cloud)
    broken: dict[str, Any] = {
        "image": "localhost/no-such/image:1",
        "image_update_policy": "REPLACE",
    }
    update(cloud, stack, with_port("10.0.0.10", **broken), "ROLLBACK_COMPLETE")
    assert only(cloud).id == before.id
    assert "10.0.0.10/24" in inside(before.id, "ip -br -4 address")
    assert reached(cloud)


def test_nothing_is_left_of_what_was_updated(cloud: Connection) -> None:
    stack = create_complete(cloud, with_port("10.0.0.10"))
    update(cloud, stack, with_server(two_networks()))
    cloud.orchestration.delete_stack(stack)
    until(lambda: not list(cloud.orchestration.stacks()))
    assert list(cloud.compute.servers()) == []
    assert list(cloud.network.ports()) == []
    assert [n.name for n in cloud.network.networks()] == ["public"]


def test_a_new_group_knows_nothing_of_the_members_that_an_old_one_has_lost(
    cloud: Connection,
) -> None:
    def template(count: int, *lost: str) -> dict[str, object]:
        definition = {"type": "OS::Heat::RandomString"}
        policies = [{"resource_list": list(lost)}] * bool(lost)
        group = resource(
            "OS::Heat::ResourceGroup",
            count=count,
            resource_def=definition,
            removal_policies=policies,
        )
        return hot({"group": group})

    def members(stack: Any) -> list[str]:
        path = f"/stacks/{stack.name}/{stack.id}/resources?nested_depth=1"
        resources = cloud.orchestration.get(path).json()["resources"]
        return sorted({one["resource_name"] for one in resources} - {"group"})

    stack = create_complete(cloud, template(3))
    update(cloud, stack, template(2, "0"))
    assert members(stack) == ["1", "2"]
    cloud.orchestration.delete_stack(stack)
    assert until(lambda: not list(cloud.orchestration.stacks()))
    assert members(create_complete(cloud, template(3))) == ["0", "1", "2"]
