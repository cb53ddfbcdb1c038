"""Neutron's API: how it takes and shows JSON, and refuses what it does not take."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from werkzeug.test import Client

from infraci.local.api.network import NetworkApi
from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.packet_filters import PacketFilters
from infraci.local.domain.port_names import PortNames
from infraci.local.domain.project_network import ProjectNetwork
from infraci.local.domain.routers import Routers
from infraci.local.domain.server_disks import ServerDisks
from infraci.local.domain.servers import Servers
from infraci.local.domain.store import Store
from infraci.local.domain.volumes import Volumes
from infraci.local.host.host_interface import HostInterface
from infraci.local.host.volume_files import VolumeFiles
from tests.local.domain.test_networks import RecordedWiring


@pytest.fixture
def client() -> Client:
    store, wiring = Store(), RecordedWiring()
    networks = Networks(store, wiring, public_cidr="172.24.4.0/24")
    routers = Routers(store, networks, wiring)
    filters = PacketFilters(store, wiring)
    servers = Servers(
        store,
        networks,
        cast(HostInterface, wiring),  # no test here has a server
        filters=filters,
        disks=ServerDisks(store, Volumes(store, VolumeFiles(Path("unused")))),
        project_network=ProjectNetwork(store, networks, routers, lambda _: ""),
        access_cidr=ipaddress.IPv4Network("172.24.5.0/24"),
        labels_of=lambda _: {},
    )
    return Client(
        NetworkApi(store, networks, routers, servers, filters, PortNames(store), lambda _: True)
    )


def create(client: Client, kind: str, **fields: object) -> dict[str, Any]:
    answer = client.post(f"/v2.0/{kind.replace('_', '-')}s", json={kind: fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json[kind])  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        ("network", {"colour": "red"}, 400, "Unrecognized attribute(s) 'colour'"),
        ("network", {"router:external": True}, 403, "has one external network"),
        ("network", {"mtu": "large"}, 400, "'large' is not a number"),
        ("subnet", {"cidr": "10.0.0.0/24"}, 400, "Required attribute 'network_id'"),
        ("subnet", {"network_id": "1", "cidr": "10.0.0.0/24"}, 404, "Network 1 could not be"),
        (
            "port",
            {"network_id": PUBLIC_ID, "security_groups": "web"},
            400,
            "is not a list of texts",
        ),
        (
            "subnet",
            {
                "network_id": PUBLIC_ID,
                "cidr": "10.0.0.0/24",
                "host_routes": [{"nexthop": "10.0.0.9"}],
            },
            400,
            "lacks 'destination'",
        ),
    ],
)
def test_a_request_is_refused(
    client: Client, kind: str, body: Mapping[str, object], status: int, message: str
) -> None:
    answer = client.post(f"/v2.0/{kind}s", json={kind: body})
    assert answer.status_code == status
    assert message in answer.json["NeutronError"]["message"]  # type: ignore[index]


@pytest.mark.parametrize("bodies", ["x", ["x"], [{"name": 1}]])
def test_bodies_of_several_are_checked_like_one(client: Client, bodies: object) -> None:
    assert client.post("/v2.0/networks", json={"networks": bodies}).status_code == 400


def test_null_is_no_gateway_and_nothing_said_is_the_first_address(client: Client) -> None:
    network = create(client, "network", name="n", tags=None)
    first = create(client, "subnet", network_id=network["id"], cidr="10.0.0.0/24")
    second = create(client, "subnet", network_id=network["id"], cidr="10.0.1.0/24", gateway_ip=None)
    assert (first["gateway_ip"], second["gateway_ip"]) == ("10.0.0.1", None)
    assert first["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.254"}]
    shown = client.get(f"/v2.0/networks/{network['id']}").json["network"]  # type: ignore[index]
    assert shown == {**network, "subnets": [first["id"], second["id"]]}
    assert (shown["tags"], shown["router:external"], shown["project_id"]) == (
        [],
        False,
        shown["tenant_id"],
    )


def test_numbers_and_truth_may_come_as_text(client: Client) -> None:
    network = create(client, "network", admin_state_up="false", mtu="1300")
    assert (network["admin_state_up"], network["mtu"]) == (False, 1300)
    group = create(client, "security_group", name="web")
    ports = {"protocol": "tcp", "port_range_min": "80", "port_range_max": "81"}
    rule = create(client, "security_group_rule", security_group_id=group["id"], **ports)
    assert (rule["port_range_min"], rule["port_range_max"]) == (80, 81)


def test_a_router_shows_its_gateway_and_its_interface(client: Client) -> None:
    network = create(client, "network")
    subnet = create(client, "subnet", network_id=network["id"], cidr="10.0.0.0/24")
    router = create(client, "router", external_gateway_info={"network_id": PUBLIC_ID})
    gateway = router["external_gateway_info"]
    assert gateway["external_fixed_ips"][0]["ip_address"] == "172.24.4.2"
    assert gateway["enable_snat"] is True
    path = f"/v2.0/routers/{router['id']}"
    interface = client.put(f"{path}/add_router_interface", json={"subnet_id": subnet["id"]}).json
    assert interface["subnet_ids"] == [subnet["id"]]  # type: ignore[index]
    ports = client.get("/v2.0/ports", query_string={"device_id": router["id"]}).json["ports"]  # type: ignore[index]
    assert interface["port_id"] in [port["id"] for port in ports]  # type: ignore[index]
    changed = client.put(path, json={"router": {"name": "r", "external_gateway_info": None}}).json
    assert changed["router"] == {**router, "name": "r", "external_gateway_info": None}  # type: ignore[index]


def test_fields_can_be_chosen_and_matched(client: Client) -> None:
    create(client, "network", name="one", shared=True)
    create(client, "network", name="two")
    listed = client.get("/v2.0/networks?shared=true&fields=name").json
    assert listed == {"networks": [{"name": "one"}]}


def test_a_port_shows_its_guards(client: Client) -> None:
    network = create(client, "network", port_security_enabled=False)["id"]
    port = create(client, "port", network_id=network)
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
    pair = {"ip_address": "10.0.0.9"}
    port = create(
        client,
        "port",
        network_id=network,
        port_security_enabled=True,
        security_groups=[],
        allowed_address_pairs=[pair],
    )
    assert (port["port_security_enabled"], port["security_groups"]) == (True, [])
    assert port["allowed_address_pairs"] == [{**pair, "mac_address": port["mac_address"]}]


def test_a_security_group_is_changed_as_neutron_does(client: Client) -> None:
    group = create(client, "security_group", name="web")["id"]
    path = f"/v2.0/security-groups/{group}"
    answer = client.put(path, json={"security_group": {"name": "app", "stateful": False}})
    assert answer.json["security_group"]["name"] == "app"  # type: ignore[index]
    (default,) = client.get("/v2.0/security-groups?name=default").json["security_groups"]  # type: ignore[index]
    refused = client.put(
        f"/v2.0/security-groups/{default['id']}", json={"security_group": {"name": "x"}}
    )
    assert refused.status_code == 409
    assert "SecurityGroupCannotUpdateDefault" in refused.text


def test_what_is_shared_is_kept(client: Client) -> None:
    network = create(client, "network")["id"]
    fields = {"object_type": "network", "object_id": network, "action": "access_as_shared"}
    answer = client.post(
        "/v2.0/rbac-policies", json={"rbac_policy": {**fields, "target_tenant": "p"}}
    )
    assert answer.status_code == 201
    policy = answer.json["rbac_policy"]  # type: ignore[index]
    assert {**policy, **fields, "target_tenant": "p"} == policy
    assert client.get("/v2.0/rbac-policies").json == {"rbac_policies": [policy]}
    assert client.delete(f"/v2.0/rbac-policies/{policy['id']}").status_code == 204
    absent = {**fields, "object_id": "absent", "target_tenant": "p"}
    assert client.post("/v2.0/rbac-policies", json={"rbac_policy": absent}).status_code == 404
    router = {**fields, "object_type": "router", "target_tenant": "p"}
    assert client.post("/v2.0/rbac-policies", json={"rbac_policy": router}).status_code == 400


def test_a_subnet_of_a_pool(client: Client) -> None:
    scope = create(client, "address_scope", name="s", ip_version=4)
    pool = create(client, "subnetpool", prefixes=["10.0.0.0/16"], address_scope_id=scope["id"])
    assert (pool["min_prefixlen"], pool["address_scope_id"]) == ("8", scope["id"])
    network = create(client, "network")["id"]
    subnet = create(client, "subnet", network_id=network, subnetpool_id=pool["id"], prefixlen=24)
    assert (subnet["cidr"], subnet["subnetpool_id"]) == ("10.0.0.0/24", pool["id"])


def test_routes_of_a_router(client: Client) -> None:
    network = create(client, "network")["id"]
    subnet = create(client, "subnet", network_id=network, cidr="10.0.0.0/24")["id"]
    path = f"/v2.0/routers/{create(client, 'router')['id']}"
    client.put(f"{path}/add_router_interface", json={"subnet_id": subnet})
    one, two = ({"destination": f"10.{n}.0.0/16", "nexthop": "10.0.0.9"} for n in (8, 9))

    def change(action: str, *routes: object) -> object:
        answer = client.put(f"{path}/{action}", json={"router": {"routes": list(routes)}})
        return answer.json["router"]["routes"]  # type: ignore[index]

    assert change("add_extraroutes", one) == [one]
    assert change("add_extraroutes", one, two) == [one, two]
    assert change("remove_extraroutes", one) == [two]
    assert change("", one) == [one]
    refused = client.post("/v2.0/routers", json={"router": {"routes": []}})
    assert "Attribute 'routes' not allowed in POST" in refused.text


def test_ports_show_their_names_and_policies(client: Client) -> None:
    network = create(client, "network", dns_domain="example.org.")["id"]
    create(client, "subnet", network_id=network, cidr="10.0.0.0/24")
    port = create(client, "port", network_id=network, dns_name="db")
    (assignment,) = port["dns_assignment"]
    assert assignment == {
        "ip_address": "10.0.0.2",
        "hostname": "db",
        "fqdn": "db.example.org.",
    }
    refused = client.post(
        "/v2.0/ports", json={"port": {"network_id": network, "qos_policy_id": "absent"}}
    )
    assert "QosPolicy absent could not be found" in refused.text


def test_ports_that_are_there_get_an_address_in_a_new_subnet(client: Client) -> None:
    network = create(client, "network")["id"]
    port = create(client, "port", network_id=network, mac_address="fa:16:3e:12:34:56")
    assert port["fixed_ips"] == []
    slaac = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    create(client, "subnet", network_id=network, cidr="fd00::/64", **slaac)
    shown = client.get(f"/v2.0/ports/{port['id']}").json["port"]  # type: ignore[index]
    assert [f["ip_address"] for f in shown["fixed_ips"]] == ["fd00::f816:3eff:fe12:3456"]
