"""Networks of a stack by real packets: both versions of IP, several cards, routes, MTU."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from openstack.connection import Connection

from infraci.local.host.fabric import server_namespace
from tests.local.conftest import create, hot, network, resource, server
from tests.local.test_cloud import inside, outputs

pytestmark = pytest.mark.cloud

ROUTER = {"get_resource": "router"}
SLAAC = {"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
#: What lets pings of both versions in.
PINGS = [{"protocol": "icmp", "ethertype": version} for version in ("IPv4", "IPv6")]


def subnet(net: str, cidr: str, **properties: object) -> dict[str, Any]:
    return resource("OS::Neutron::Subnet", network={"get_resource": net}, cidr=cidr, **properties)


def way(subnet: str) -> dict[str, Any]:
    return resource("OS::Neutron::RouterInterface", router=ROUTER, subnet={"get_resource": subnet})


def card(net: str, *subnets: str, **properties: object) -> dict[str, Any]:
    groups = {"security_groups": [{"get_resource": "pings"}]}
    port = resource("OS::Neutron::Port", network={"get_resource": net}, **{**groups, **properties})
    return {**port, "depends_on": list(subnets)}


def with_ports(*ports: str, **properties: object) -> dict[str, Any]:
    return server(networks=[{"port": {"get_resource": port}} for port in ports], **properties)


def pings(server_id: str, address: str) -> bool:
    command = ["podman", "exec", f"infraci-{server_id}", "ping", "-c1", "-W3", address]
    return subprocess.run(command, capture_output=True, timeout=30).returncode == 0


def test_both_versions_of_ip_between_two_networks(cloud: Connection) -> None:
    resources = {
        "pings": resource("OS::Neutron::SecurityGroup", rules=PINGS),
        "deaf": resource("OS::Neutron::SecurityGroup", rules=PINGS[:1]),
        "router": resource("OS::Neutron::Router"),
        "net": resource("OS::Neutron::Net", value_specs={"mtu": 1300}),
        "other": resource("OS::Neutron::Net"),
        "four": subnet("net", "10.0.0.0/24"),
        "six": subnet("net", "fd00:0:0:1::/64", **SLAAC),
        "other_four": subnet("other", "10.0.1.0/24"),
        "other_six": subnet("other", "fd00:0:0:2::/64", ip_version=6),
        **{f"way_{name}": way(name) for name in ("four", "six", "other_four", "other_six")},
        "a_port": card("net", "four", "six", mac_address="fa:16:3e:12:34:56"),
        "b_port": card("other", "other_four", "other_six"),
        "c_port": card("other", "other_four", "other_six"),
        "a": with_ports("a_port", name="a"),
        "b": with_ports("b_port", name="b"),
        "c": with_ports("c_port", name="c"),
    }
    resources["c_port"]["properties"]["security_groups"] = [{"get_resource": "deaf"}]
    stack = create(cloud, "versions", hot(resources))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    servers = list(cloud.compute.servers())
    ids = {each.name: each.id for each in servers}
    addresses = {
        each.name: {
            entry["version"]: entry["addr"]
            for entries in each.addresses.values()
            for entry in entries
        }
        for each in servers
    }
    assert addresses["a"][6] == "fd00::1:f816:3eff:fe12:3456"
    for version in (4, 6):
        assert pings(ids["a"], addresses["b"][version])
        assert pings(ids["b"], addresses["a"][version])
    assert pings(ids["a"], addresses["c"][4])
    assert not pings(ids["a"], addresses["c"][6])
    assert "mtu 1300" in inside(ids["a"], "ip link show dev eth0")
    data = json.loads(
        inside(ids["a"], "curl -fsS 169.254.169.254/openstack/latest/network_data.json")
    )
    assert [network["type"] for network in data["networks"]] == ["ipv4", "ipv6_slaac"]
    assert data["networks"][1]["ip_address"] == addresses["a"][6]


def test_cards_are_in_the_given_order_and_routes_lead_by_a_server(cloud: Connection) -> None:
    """From behind a router by a server that forwards, to a network whose gateway it is."""
    routes = [{"destination": "203.0.113.0/24", "nexthop": "10.0.1.7"}]
    unguarded: dict[str, object] = {"port_security_enabled": False, "security_groups": []}
    addresses = ("10.0.0.9", "10.0.1.9", "10.0.1.5")
    front, behind, last = ({"fixed_ips": [{"ip_address": address}]} for address in addresses)
    resources = {
        "pings": resource("OS::Neutron::SecurityGroup", rules=PINGS),
        **network(),
        "router": resource("OS::Neutron::Router"),
        "way": way("subnet"),
        "back": resource("OS::Neutron::Net"),
        "back_subnet": subnet("back", "10.0.1.0/24", gateway_ip="10.0.1.9", host_routes=routes),
        "route": resource(
            "OS::Neutron::ExtraRoute",
            router_id=ROUTER,
            destination="10.0.1.0/24",
            nexthop="10.0.0.9",
        ),
        "front_port": card("net", "subnet", **front, **unguarded),
        "back_port": card("back", "back_subnet", **behind, **unguarded),
        "asker_port": card("net", "subnet"),
        "asked_port": card("back", "back_subnet", **last),
        "between": with_ports("back_port", "front_port", name="between"),
        "asker": with_ports("asker_port", name="asker"),
        "asked": with_ports("asked_port", name="asked"),
    }
    stack = create(cloud, "routes", hot(resources))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    ids = {each.name: each.id for each in cloud.compute.servers()}
    cards = json.loads(inside(ids["between"], "ip -json -4 address"))
    assert {card["ifname"]: card["addr_info"][0]["local"] for card in cards[1:]} == {
        "eth0": "10.0.1.9",
        "eth1": "10.0.0.9",
    }
    assert not pings(ids["asker"], "10.0.1.5")
    # From outside: a server cannot set it itself, see docs/embedded-cloud.md.
    command = ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]
    enter = ["nsenter", f"--net={server_namespace(ids['between'])}", "--", *command]
    subprocess.run(enter, check=True, timeout=30)
    assert pings(ids["asker"], "10.0.1.5")
    assert "via 10.0.1.7" in inside(ids["asked"], "ip route get 203.0.113.1")


def test_servers_know_names(cloud: Connection) -> None:
    """Those of the template and of servers in a network with a domain, or of addresses."""
    resources = {
        "pings": resource("OS::Neutron::SecurityGroup", rules=PINGS),
        "net": resource("OS::Neutron::Net", dns_domain="example.org."),
        "four": subnet("net", "10.0.0.0/24"),
        "six": subnet("net", "fd00::/64", ip_version=6),
        "other": resource("OS::Neutron::Net"),
        "other_four": subnet("other", "10.0.1.0/24"),
        "db_port": card("net", "four", "six", dns_name="db"),
        "web_port": card("net", "four", "six"),
        "other_port": card("other", "other_four"),
        "db": with_ports("db_port", name="one"),
        "web": with_ports("web_port", name="web"),
        "apart": with_ports("other_port", name="apart"),
    }
    shown = {"names": {"value": {"get_attr": ["db_port", "dns_assignment"]}}}
    stack = create(cloud, "names", hot(resources, outputs=shown))
    assert stack.status == "CREATE_COMPLETE", stack.status_reason
    assert outputs(stack)["names"][0]["fqdn"] == "db.example.org."
    ids = {each.name: each.id for each in cloud.compute.servers()}
    four, six = (fixed["ip_address"] for fixed in outputs(stack)["names"])
    assert inside(ids["web"], "getent ahostsv4 db.example.org").split()[0] == four
    assert inside(ids["web"], "getent ahostsv6 db").split()[0] == six
    assert inside(ids["web"], f"getent hosts {four}").split() == [four, "db.example.org"]
    assert inside(ids["one"], "getent hosts web.example.org")
    own = inside(ids["apart"], "hostname -I").split()[0]
    name = f"host-{own.replace('.', '-')}"
    assert inside(ids["apart"], f"getent hosts {name}").split() == [own, f"{name}.openstacklocal"]
    assert inside(ids["apart"], "getent hosts db.example.org; true") == ""
