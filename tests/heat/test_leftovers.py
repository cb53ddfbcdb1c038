"""Leftovers of a run are listed by its mark, removed in order, and kept apart from others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from infraci.base.deadline import Deadline
from infraci.heat import Cloud, Mark
from infraci.heat.leftovers import KINDS
from infraci.model.run import ResourceReference
from tests.heat.fakes import Answer, FakeClock, FakeSdk, fake_cloud

Entry = dict[str, Any]
#: Whose deletion the other's existence forbids: ports go before networks and groups, and so on.
_USES = {
    "networks": ("ports",),
    "security-groups": ("ports",),
    "routers": ("ports",),
}


class FakeProject:
    """A project's resources, which cannot be deleted before those that use them."""

    def __init__(self, **things: list[Entry]) -> None:
        self.things = {name.replace("_", "-"): list(entries) for name, entries in things.items()}
        self.deleted: list[str] = []
        self.stubborn: set[str] = set()

    def __call__(self, method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        _, collection, *rest = path.split("/")
        if method == "GET":
            key = {"os-keypairs": "keypairs"}.get(collection, collection.replace("-", "_"))
            return 200, {key: self.things.get(collection, [])}
        if rest[-1] == "remove_router_interface":
            return self._delete("ports", arguments["json"]["port_id"])
        if method == "DELETE":
            return self._delete(collection, rest[0])
        return 403, None

    def _delete(self, collection: str, id_: str) -> Answer:
        if id_ in self.stubborn or any(self.things.get(u) for u in _USES.get(collection, ())):
            return 409, {"NeutronError": {"message": "in use"}}
        entries = self.things[collection]
        self.things[collection] = [entry for entry in entries if entry["id"] != id_]
        self.deleted.append(id_)
        return 204, None


MARK = Mark(
    name="infraci-x-1",
    tags=("infraci", "infraci-run=x-1"),
    resources=(
        ResourceReference(kind="OS::Nova::Server", id="s1"),
        ResourceReference(kind="OS::Neutron::Net", id="n1"),
        ResourceReference(kind="OS::Neutron::Router", id="r1"),
        ResourceReference(kind="OS::Neutron::FloatingIP", id="f1"),
        ResourceReference(kind="OS::Neutron::FloatingIPAssociation", id="f9"),
        ResourceReference(kind="OS::Neutron::SecurityGroup", id="g1"),
    ),
)


def tenant() -> FakeProject:
    return FakeProject(
        servers=[{"id": "s1", "name": "web"}, {"id": "s9", "name": "infraci-x-10-web"}],
        floatingips=[
            {"id": "f1", "floating_ip_address": "192.0.2.1"},
            {"id": "f9", "floating_ip_address": "192.0.2.9"},
        ],
        ports=[
            {"id": "p1", "name": "", "device_id": "s1", "device_owner": "compute:nova",
             "network_id": "n1"},
            {"id": "p2", "name": "", "device_id": "r1",
             "device_owner": "network:router_interface", "network_id": "n1"},
            {"id": "p3", "name": "", "device_id": "d", "device_owner": "network:dhcp",
             "network_id": "n1"},
            {"id": "p4", "name": "infraci-x-1-port-abc", "device_id": "", "device_owner": "",
             "network_id": "n9"},
        ],
        routers=[{"id": "r1", "name": "edge"}],
        networks=[{"id": "n1", "name": "lan"}, {"id": "n9", "name": "somebody's"}],
        security_groups=[{"id": "g1", "name": "open"}],
        stacks=[],
    )  # fmt: skip


def cloud_of(project: FakeProject) -> tuple[Cloud, FakeSdk, FakeClock]:
    return fake_cloud(project, project, project)


def limit(clock: FakeClock) -> Deadline:
    return Deadline(600, clock=clock, sleep=clock.sleep)


def test_what_is_found_by_name_by_id_and_by_what_holds_it() -> None:
    cloud, sdk, clock = cloud_of(tenant())
    leftovers = cloud.leftovers(MARK, deadline=limit(clock))
    ids = ["f1", "s1", "p1", "p4", "p2", "r1", "n1", "g1"]
    assert [leftover.id for leftover in leftovers] == ids
    assert str(leftovers[0]) == "floating IP 192.0.2.1 (f1)"
    assert leftovers[0].command == "openstack --os-cloud far floating ip delete f1"
    assert leftovers[4].command == "openstack --os-cloud far router remove port r1 p2"
    assert clock.now >= 10  # what is just going is waited for
    stacks = sdk.orchestration.requests[0]
    assert stacks[2]["params"] == {"tags": "infraci,infraci-run=x-1"}


def test_a_clean_cloud_is_asked_once_for_each_kind() -> None:
    cloud, sdk, clock = cloud_of(FakeProject(stacks=[]))
    assert cloud.leftovers(MARK, deadline=limit(clock)) == ()
    assert clock.now == 0
    assert sdk.network is not None
    requests = [*sdk.orchestration.requests, *sdk.compute.requests, *sdk.network.requests]
    # It has no service for volumes and balancers, and the run had no containers.
    assert len(requests) == len(KINDS) - 4


def test_they_are_removed_users_first() -> None:
    project = tenant()
    cloud, _, clock = cloud_of(project)
    project.things["ports"] = [p for p in project.things["ports"] if p["id"] != "p3"]
    assert cloud.remove_leftovers(MARK, deadline=limit(clock)) == ()
    assert project.deleted == ["f1", "s1", "p1", "p4", "p2", "r1", "n1", "g1"]
    assert [entry["id"] for entry in project.things["servers"]] == ["s9"]


def test_what_will_not_go_is_told() -> None:
    project = tenant()
    project.stubborn = {"p4"}
    cloud, _, clock = cloud_of(project)
    left = cloud.remove_leftovers(MARK, deadline=limit(clock))
    assert [leftover.id for leftover in left] == ["p4", "r1", "n1", "g1"]


def test_anothers_server_in_our_network_is_left_alone_and_named() -> None:
    port = {"id": "p5", "name": "", "device_id": "s9", "device_owner": "compute:nova",
            "network_id": "n1"}  # fmt: skip
    project = FakeProject(ports=[port], networks=[{"id": "n1", "name": "lan"}])
    cloud, _, clock = cloud_of(project)
    left = cloud.remove_leftovers(MARK, deadline=limit(clock))
    assert project.deleted == []
    assert [leftover.id for leftover in left] == ["n1"]
    named = cloud.leftovers(MARK, deadline=limit(clock))
    assert str(named[0]) == "port (p5) of server s9, which the run did not make"


def leg(id_: str, router: str, network: str, subnet: str = "") -> Entry:
    return {
        "id": id_, "name": "", "device_id": router, "device_owner": "network:router_interface",
        "network_id": network, "fixed_ips": [{"subnet_id": subnet}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "port",
    [
        {"id": "q", "name": "mine", "device_id": "", "device_owner": "", "network_id": "n1"},
        {"id": "q", "name": "mine", "device_id": "", "device_owner": "", "network_id": "n9",
         "security_groups": ["g1"]},
        leg("q", "r9", "n1"),
        leg("q", "r1", "n9"),
    ],
    ids=["unbound", "in our security group", "another's router", "another's network"],
)  # fmt: skip
def test_what_others_have_put_there_is_left_alone_and_named(port: Entry) -> None:
    project = FakeProject(ports=[port], networks=[{"id": "n1", "name": "lan"}])
    cloud, _, clock = cloud_of(project)
    cloud.remove_leftovers(MARK, deadline=limit(clock))
    assert "q" not in project.deleted
    (named, *_) = cloud.leftovers(MARK, deadline=limit(clock))
    assert (named.id, named.foreign) == ("q", True)
    assert named.command.endswith(f" {named.id}")


@pytest.mark.parametrize(
    "port", [leg("q", "r9", "n1", "sub"), leg("q", "r1", "n9", "sub")], ids=["network", "router"]
)
def test_a_leg_that_the_stack_made_is_removed(port: Entry) -> None:
    interface = ResourceReference(
        kind="OS::Neutron::RouterInterface", id=f"{port['device_id']}:subnet_id=sub"
    )
    mark = replace(MARK, resources=(*MARK.resources, interface))
    project = FakeProject(ports=[port])
    cloud, _, clock = cloud_of(project)
    assert cloud.remove_leftovers(mark, deadline=limit(clock)) == ()
    assert project.deleted == ["q"]


def test_our_port_is_removed_whoever_uses_it() -> None:
    port = {"id": "p6", "name": "infraci-x-1-port-abc", "device_id": "forgotten",
            "device_owner": "compute:nova", "network_id": "n9"}  # fmt: skip
    project = FakeProject(ports=[port])
    cloud, _, clock = cloud_of(project)
    assert cloud.remove_leftovers(MARK, deadline=limit(clock)) == ()
    assert project.deleted == ["p6"]


def test_a_stack_that_is_gone_is_still_listed_for_a_moment() -> None:
    gone = {"id": "k1", "stack_name": MARK.name, "stack_status": "DELETE_COMPLETE"}
    cloud, _, clock = cloud_of(FakeProject(stacks=[gone]))
    assert cloud.leftovers(MARK, deadline=limit(clock)) == ()


@pytest.mark.parametrize("name", ["infraci-x-1", "infraci-x-1-web-abc"])
def test_a_name_is_a_mark(name: str) -> None:
    assert MARK.names(name)
    assert not MARK.names(name.replace("x-1", "x-10"))


def test_containers_are_looked_for_if_the_run_had_any() -> None:
    containers = ["a", "kept", "made here", "z"]
    full = {"made here"}

    def swift(method: str, path: str, arguments: Mapping[str, Any]) -> Answer:
        if method == "GET":
            after = [name for name in containers if name > arguments["params"].get("marker", "")]
            return 200, [{"name": name, "count": 0, "bytes": 0} for name in after[:2]]
        name = unquote(path.removeprefix("/"))
        if name in full:
            return 409, None
        containers.remove(name)
        return 204, None

    project = FakeProject(stacks=[])
    cloud, sdk, clock = fake_cloud(project, project, project, swift=swift)
    assert cloud.leftovers(MARK, deadline=limit(clock)) == ()
    assert sdk.object_store is not None
    assert sdk.object_store.requests == []
    ids = {"OS::Swift::Container": "kept", "AWS::S3::Bucket": "made here"}
    made = tuple(ResourceReference(kind=kind, id=id_) for kind, id_ in ids.items())
    mark = replace(MARK, resources=(*MARK.resources, *made))
    (left,) = cloud.remove_leftovers(mark, deadline=limit(clock))
    assert containers == ["a", "made here", "z"]
    assert str(left) == "container (made here)"
    assert left.command == ("openstack --os-cloud far container delete --recursive 'made here'")
