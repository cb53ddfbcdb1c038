"""Octavia's API: its documents, states and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from infraci.local.api.load_balancer import LoadBalancerApi
from infraci.local.domain.balancer_records import LoadBalancer
from infraci.local.domain.networks import PUBLIC_ID, PUBLIC_SUBNET_ID
from infraci.local.domain.packet_filters import network_filters
from infraci.local.domain.records import Port, SecurityGroup
from infraci.local.host.balancer_plan import BACKEND, FRONTEND
from tests.local.domain.octavia import Octavia

Json = dict[str, Any]
_NO_ID = "00000000-0000-4000-8000-000000000000"


class Site:
    """A client of Octavia's API, and what is below it."""

    def __init__(self) -> None:
        self.octavia = Octavia()
        self.client = Client(LoadBalancerApi(self.octavia.balancers, lambda _: True))

    def send(self, method: str, path: str, body: Json | None = None, *, status: int) -> Json:
        """Send a request; returns the answer's JSON."""
        answer = self.client.open(f"/v2.0/lbaas{path}", method=method, json=body)
        assert answer.status_code == status, answer.text
        return dict(answer.json or {})

    def refusal(self, method: str, path: str, body: Json | None = None, *, status: int) -> str:
        """What is said of a request that is refused."""
        return str(self.send(method, path, body, status=status)["faultstring"])

    def create(self, collection: str, **fields: object) -> Json:
        """Create one, and wait until it is in effect; returns it as it was shown at first."""
        key = {"l7policies": "l7policy", "rules": "rule"}.get(
            collection.split("/")[-1], collection.split("/")[-1].removesuffix("s")
        )
        made = self.send("POST", f"/{collection}", {key: fields}, status=201)[key]
        self.octavia.settle()
        return dict(made)

    def show(self, collection: str, id_: str) -> Json:
        """One as it is now."""
        return dict(next(iter(self.send("GET", f"/{collection}/{id_}", status=200).values())))

    def balancer(self, **fields: object) -> Json:
        """A load balancer in the one subnet."""
        return self.create("loadbalancers", vip_subnet_id=self.octavia.subnet.id, **fields)

    def web(self) -> tuple[str, str, str]:
        """The ids of a balancer, an HTTP listener and its default pool."""
        balancer = self.balancer()["id"]
        listener = self.create(
            "listeners", loadbalancer_id=balancer, protocol="HTTP", protocol_port=80
        )["id"]
        pool = self.create(
            "pools", listener_id=listener, protocol="HTTP", lb_algorithm="ROUND_ROBIN"
        )["id"]
        return balancer, listener, pool


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_balancer_is_pending_then_active(site: Site) -> None:
    site.octavia.host.may_go_on.clear()
    body = {"name": "lb", "vip_subnet_id": site.octavia.subnet.id, "vip_address": "10.0.0.9"}
    made = site.send("POST", "/loadbalancers", {"loadbalancer": body}, status=201)["loadbalancer"]
    assert made["provisioning_status"] == "PENDING_CREATE"
    assert made["operating_status"] == "OFFLINE"
    refused = {"loadbalancer": {"name": "x"}}
    path = f"/loadbalancers/{made['id']}"
    assert site.refusal("PUT", path, refused, status=409) == (
        f"Invalid state PENDING_CREATE of loadbalancer resource {made['id']}"
    )
    assert "Invalid state PENDING_CREATE" in site.refusal("DELETE", path, status=409)
    listener = {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 80}
    assert site.refusal("POST", "/listeners", {"listener": listener}, status=409) == (
        f"Load Balancer {made['id']} is immutable and cannot be updated."
    )
    site.octavia.host.may_go_on.set()
    site.octavia.settle()
    shown = site.show("loadbalancers", made["id"])
    assert (shown["provisioning_status"], shown["operating_status"]) == ("ACTIVE", "ONLINE")
    assert (shown["vip_address"], shown["provider"]) == ("10.0.0.9", "amphora")
    assert shown["vip_network_id"] == site.octavia.subnet.network_id
    assert (shown["listeners"], shown["pools"]) == ([], [])
    assert shown["created_at"]
    assert "group_id" not in shown


def test_its_ports_are_octavias(site: Site) -> None:
    """A port keeps the address; another one sends in its name, from an address of its own."""
    made = site.balancer()
    ports = {port.device_owner: port for port in site.octavia.store.find(Port)}
    vip, own = ports["Octavia"], ports["compute:octavia"]
    assert vip.id == made["vip_port_id"]
    assert (vip.name, vip.device_id) == (f"octavia-lb-{made['id']}", f"lb-{made['id']}")
    assert vip.admin_state_up is False
    assert [pair.ip_address for pair in own.allowed_address_pairs] == [made["vip_address"]]
    assert own.fixed_ips[0].ip_address != made["vip_address"]
    (nic,) = site.octavia.host.nics[made["id"]]
    assert nic.addresses == (f"{own.fixed_ips[0].ip_address}/24", f"{made['vip_address']}/32")
    assert nic.gateway == "10.0.0.1"
    assert network_filters(site.octavia.store).keys() == {site.octavia.subnet.network_id}


@pytest.mark.parametrize(
    "vip", [{"vip_subnet_id": PUBLIC_SUBNET_ID}, {"vip_network_id": PUBLIC_ID}]
)
def test_a_balancer_on_the_external_network(site: Site, vip: Json) -> None:
    """It has no security group: haproxy itself refuses other clients."""
    made = site.create("loadbalancers", **vip)
    (nic,) = site.octavia.host.nics[made["id"]]
    assert (nic.network_id, nic.gateway) == ("", "172.24.4.1")
    assert nic.addresses[1] == f"{made['vip_address']}/32"
    assert network_filters(site.octavia.store) == {}
    site.create(
        "listeners",
        loadbalancer_id=made["id"],
        protocol="TCP",
        protocol_port=443,
        allowed_cidrs=["10.0.0.0/8"],
    )
    (frontend,) = site.octavia.host.plans[made["id"]].frontends
    assert frontend.allowed == ("10.0.0.0/8",)
    assert [group.name for group in site.octavia.store.find(SecurityGroup)] == ["default"]


def test_its_group_lets_in_what_listeners_need(site: Site) -> None:
    balancer, listener, _ = site.web()
    cidrs = ["10.9.0.0/16", "10.8.0.1/24"]
    site.create(
        "listeners",
        loadbalancer_id=balancer,
        protocol="TCP",
        protocol_port=443,
        allowed_cidrs=cidrs,
    )
    groups = site.octavia.networks.groups
    (group,) = site.octavia.store.find(SecurityGroup, lambda g: g.name == f"lb-{balancer}")

    def openings() -> set[tuple[str | None, int | None, str | None]]:
        rules = [rule for rule in groups.rules(group.id) if rule.direction == "ingress"]
        return {(rule.protocol, rule.port_range_min, rule.remote_ip_prefix) for rule in rules}

    guarded = {("tcp", 443, "10.9.0.0/16"), ("tcp", 443, "10.8.0.0/24")}
    assert openings() == {("tcp", 80, None)} | guarded
    site.send("DELETE", f"/listeners/{listener}", status=204)
    site.octavia.settle()
    assert openings() == guarded


def test_a_port_of_the_clients_has_the_address(site: Site) -> None:
    network_id = site.octavia.subnet.network_id
    port = site.octavia.networks.create_port(Port(network_id=network_id, name="mine"))
    made = site.create("loadbalancers", vip_port_id=port.id)
    assert made["vip_address"] == port.fixed_ips[0].ip_address
    taken = {"loadbalancer": {"vip_port_id": port.id}}
    refused = site.refusal("POST", "/loadbalancers", taken, status=400)
    assert f"Port {port.id} is already used by device lb-{made['id']}" in refused
    site.send("DELETE", f"/loadbalancers/{made['id']}", status=204)
    site.octavia.settle()
    left = site.octavia.networks.require(Port, port.id)
    assert (left.device_id, left.security_groups) == ("", port.security_groups)


def test_nothing_is_left_of_a_balancer_that_is_deleted(site: Site) -> None:
    balancer, _, pool = site.web()
    other = site.octavia.add_subnet("10.1.0.0/24")
    member = {"address": "10.1.0.5", "protocol_port": 80, "subnet_id": other.id}
    site.create(f"pools/{pool}/members", **member)
    path = f"/loadbalancers/{balancer}"
    assert "it has children" in site.refusal("DELETE", path, status=400)
    site.send("DELETE", f"{path}?cascade=true", status=204)
    site.octavia.settle()
    site.send("GET", path, status=404)
    for collection in ("listeners", "pools", "loadbalancers"):
        assert site.send("GET", f"/{collection}", status=200)[collection] == []
    assert site.octavia.store.find(Port) == []
    assert [group.name for group in site.octavia.store.find(SecurityGroup)] == ["default"]
    assert site.octavia.host.plans == {}


def test_what_the_host_is_to_do(site: Site) -> None:
    balancer, listener, pool = site.web()
    members = f"pools/{pool}/members"
    site.create(members, address="10.0.0.11", protocol_port=8080, weight=3, backup=True)
    site.create("healthmonitors", pool_id=pool, type="HTTP", delay=5, timeout=3, max_retries=2,
                expected_codes="200-202")  # fmt: skip
    site.send("PUT", f"/listeners/{listener}", {"listener": {
        "connection_limit": 100, "insert_headers": {"X-Forwarded-For": "true"},
        "timeout_client_data": 1000,
    }}, status=200)  # fmt: skip
    site.octavia.settle()
    (frontend,) = site.octavia.host.plans[balancer].frontends
    assert (frontend.mode, frontend.port, frontend.default_backend) == ("http", 80, pool)
    assert (frontend.max_connections, frontend.client_timeout_ms) == (100, 1000)
    assert frontend.headers == ("X-Forwarded-For",)
    (backend,) = frontend.backends
    (server,) = backend.servers
    assert (server.address, server.port, server.weight, server.is_backup) == (
        *("10.0.0.11", 8080, 3, True),
    )
    assert backend.check is not None
    assert (backend.check.codes, backend.check.rise, backend.check.fall) == (
        *(("200", "201", "202"), 2, 3),
    )
    site.send("PUT", f"/loadbalancers/{balancer}", {"loadbalancer": {"admin_state_up": False}},
              status=200)  # fmt: skip
    site.octavia.settle()
    assert site.octavia.host.plans[balancer].frontends == ()
    assert site.show("loadbalancers", balancer)["operating_status"] == "OFFLINE"


def test_a_member_in_another_network_gets_the_balancer_a_card_there(site: Site) -> None:
    balancer, _, pool = site.web()
    other = site.octavia.add_subnet("10.1.0.0/24")
    path = f"pools/{pool}/members"
    member = site.create(path, address="10.1.0.5", protocol_port=80, subnet_id=other.id)
    first, second = site.octavia.host.nics[balancer]
    assert (first.device, second.device) == ("eth0", "eth1")
    assert second.network_id == other.network_id
    assert second.gateway is None
    site.send("DELETE", f"/{path}/{member['id']}", status=204)
    site.octavia.settle()
    assert [nic.device for nic in site.octavia.host.nics[balancer]] == ["eth0"]
    ports = site.octavia.store.find(Port, lambda port: port.network_id == other.network_id)
    assert ports == []


def test_statuses_are_what_haproxy_says(site: Site) -> None:
    balancer, listener, pool = site.web()
    path = f"pools/{pool}/members"
    ids = [
        site.create(path, address=f"10.0.0.{n}", protocol_port=80, name=f"m{n}")["id"]
        for n in range(3)
    ]
    assert site.show(path, ids[0])["operating_status"] == "NO_MONITOR"
    site.create("healthmonitors", pool_id=pool, type="TCP", delay=1, timeout=1, max_retries=1)
    backend = f"{pool}:{listener}"
    site.octavia.say(listener, FRONTEND, "OPEN", total_connections=7, bytes_in=11)
    site.octavia.say(backend, BACKEND, "UP")
    for id_, word in zip(ids, ("UP 1/3", "DOWN", "DRAIN"), strict=True):
        site.octavia.say(backend, id_, word)
    tree = site.send("GET", f"/loadbalancers/{balancer}/status", status=200)["statuses"]
    shown = tree["loadbalancer"]
    assert shown["operating_status"] == "DEGRADED"
    (seen,) = shown["listeners"]
    assert (seen["operating_status"], seen["pools"][0]["operating_status"]) == (
        *("ONLINE", "DEGRADED"),
    )
    members = {each["name"]: each["operating_status"] for each in seen["pools"][0]["members"]}
    assert members == {"m0": "ONLINE", "m1": "ERROR", "m2": "DRAINING"}
    site.octavia.say(backend, BACKEND, "DOWN")
    assert site.show("pools", pool)["operating_status"] == "ERROR"
    stats = site.send("GET", f"/loadbalancers/{balancer}/stats", status=200)["stats"]
    assert (stats["total_connections"], stats["bytes_in"]) == (7, 11)
    assert site.send("GET", f"/listeners/{listener}/stats", status=200)["stats"] == stats


def test_policies_have_positions(site: Site) -> None:
    balancer, listener, pool = site.web()
    first = site.create("l7policies", listener_id=listener, action="REJECT", name="first")
    second = site.create("l7policies", listener_id=listener, name="second",
                         action="REDIRECT_TO_POOL", redirect_pool_id=pool)  # fmt: skip
    before = site.create("l7policies", listener_id=listener, name="before", position=1,
                         action="REDIRECT_TO_URL", redirect_url="http://x.test/")  # fmt: skip
    assert before["redirect_http_code"] == 302

    def order() -> list[tuple[str, int]]:
        policies = site.send("GET", "/l7policies", status=200)["l7policies"]
        return sorted(
            ((each["name"], each["position"]) for each in policies), key=lambda each: each[1]
        )

    assert order() == [("before", 1), ("first", 2), ("second", 3)]
    site.send("PUT", f"/l7policies/{first['id']}", {"l7policy": {"position": 3}}, status=200)
    site.octavia.settle()
    assert order() == [("before", 1), ("second", 2), ("first", 3)]
    path = f"/l7policies/{first['id']}"
    changed = site.send("PUT", path, {"l7policy": {"redirect_prefix": "http://y.test"}}, status=200)
    assert changed["l7policy"]["action"] == "REDIRECT_PREFIX"
    site.octavia.settle()
    site.create(f"l7policies/{second['id']}/rules", type="PATH", compare_type="STARTS_WITH",
                value="/api")  # fmt: skip
    (frontend,) = site.octavia.host.plans[balancer].frontends
    (policy,) = frontend.policies  # those without rules match nothing
    assert (policy.action, policy.target) == ("REDIRECT_TO_POOL", pool)
    assert "in use by L7 policy" in site.refusal("DELETE", f"/pools/{pool}", status=409)
    site.send("DELETE", f"/l7policies/{second['id']}", status=204)
    site.octavia.settle()
    assert order() == [("before", 1), ("first", 2)]
    site.send("DELETE", f"/pools/{pool}", status=204)
    site.octavia.settle()
    assert site.show("listeners", listener)["default_pool_id"] is None


def test_a_change_that_cannot_be_made(site: Site) -> None:
    """The balancer stays as it was, and what could not be made says so."""
    balancer, listener, pool = site.web()
    site.octavia.host.is_broken = True
    members = f"pools/{pool}/members"
    added = site.create(members, address="10.0.0.5", protocol_port=80)
    assert site.show(members, added["id"])["provisioning_status"] == "ERROR"
    around = (("pools", pool), ("listeners", listener), ("loadbalancers", balancer))
    for collection, id_ in around:
        assert site.show(collection, id_)["provisioning_status"] == "ACTIVE"
    site.send("PUT", f"/pools/{pool}", {"pool": {"name": "x"}}, status=200)
    site.octavia.settle()
    assert site.show("pools", pool)["provisioning_status"] == "ERROR"
    site.octavia.host.is_broken = False
    site.send("PUT", f"/pools/{pool}", {"pool": {"name": "y"}}, status=200)
    site.octavia.settle()
    assert site.show("pools", pool)["provisioning_status"] == "ACTIVE"
    site.send("DELETE", f"/{members}/{added['id']}", status=204)
    site.octavia.settle()
    site.send("GET", f"/{members}/{added['id']}", status=404)


def test_the_next_process_takes_over(site: Site) -> None:
    balancer, *_ = site.web()
    site.octavia.host.plans.clear()
    site.octavia.balancers.take_over()
    assert site.octavia.host.plans.keys() == {balancer}
    site.octavia.host.plans.clear()
    half = LoadBalancer(id=_NO_ID)  # its process was killed before its client got an answer
    site.octavia.store.put(half)
    network_id = site.octavia.subnet.network_id
    site.octavia.networks.create_port(Port(network_id=network_id, device_id=f"lb-{half.id}"))
    site.octavia.networks.groups.create(SecurityGroup(name=f"lb-{half.id}"))
    site.octavia.balancers.take_over()
    assert [each.id for each in site.octavia.store.find(LoadBalancer)] == [balancer]
    assert len(site.octavia.store.find(Port)) == 2
    assert len(site.octavia.store.find(SecurityGroup)) == 2
    site.octavia.host.plans.clear()
    site.octavia.host.ended.append(balancer)
    site.octavia.balancers.watch()
    assert site.octavia.host.plans.keys() == {balancer}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id"),
        ({"vip_subnet_id": "x"}, 400, "vip_subnet_id. Value: 'x'. Value should be UUID format"),
        ({"vip_subnet_id": _NO_ID}, 400, f"Subnet {_NO_ID} not found."),
        ({"vip_network_id": _NO_ID}, 400, f"Network {_NO_ID} not found."),
        ({"vip_port_id": _NO_ID}, 400, f"Port {_NO_ID} not found."),
        ({"colour": "red"}, 400, "Unknown attribute:\nLoad Balancer: colour"),
        ({"name": "x" * 256}, 400, "a maximum character requirement of 255"),
        ({"admin_state_up": "maybe"}, 400, "Value not an unambiguous boolean: maybe"),
        ({"provider": "ovn"}, 400, "Provider 'ovn' is not enabled."),
        ({"flavor_id": _NO_ID}, 501, "load balancers have no flavors"),
        ({"vip_subnet_id": "SUBNET", "vip_address": "10.9.0.1"}, 400, "10.9.0.1 is not a valid"),
        ({"vip_subnet_id": "SUBNET", "vip_address": "10.0.0"}, 400, "IPv4 or IPv6 format"),
    ],
)
def test_a_balancer_that_is_refused(site: Site, body: Json, status: int, message: str) -> None:
    if body.get("vip_subnet_id") == "SUBNET":
        body = {**body, "vip_subnet_id": site.octavia.subnet.id}
    refused = site.refusal("POST", "/loadbalancers", {"loadbalancer": body}, status=status)
    assert message in refused
    assert site.octavia.store.find(Port) == []
    assert [group.name for group in site.octavia.store.find(SecurityGroup)] == ["default"]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"protocol": None}, 400, "protocol. Value: 'None'. Mandatory field missing."),
        ({"protocol": "GOPHER"}, 400, "Value should be one of: TCP, HTTPS, HTTP"),
        ({"protocol": "UDP"}, 501, "haproxy balances TCP only"),
        ({"protocol": "TERMINATED_HTTPS"}, 501, "there is no key manager"),
        ({"protocol_port": 0}, 400, "greater or equal to 1"),
        ({"protocol_port": 80}, 409, "already using protocol HTTP and protocol_port 80"),
        ({"connection_limit": -2}, 400, "greater or equal to -1"),
        ({"insert_headers": {"X-Forwarded-For": "true"}}, 400, "not a valid option for a TCP"),
        ({"protocol": "HTTP", "insert_headers": {"X-Odd": "true"}}, 400, "for insert_headers"),
        ({"allowed_cidrs": ["here"]}, 400, "IPv4 or IPv6 CIDR format"),
        ({"allowed_cidrs": ["2001:db8::/32"]}, 400, "incompatible with all VIPs"),
        ({"default_pool_id": _NO_ID}, 404, f"Pool {_NO_ID} not found."),
        ({"loadbalancer_id": _NO_ID}, 404, f"Load Balancer {_NO_ID} not found."),
        ({"default_tls_container_ref": "x"}, 501, "there is no key manager"),
        ({"l7policies": [{}]}, 501, "made one by one"),
    ],
)
def test_a_listener_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    balancer, *_ = site.web()
    body = {"loadbalancer_id": balancer, "protocol": "TCP", "protocol_port": 81, **fields}
    assert message in site.refusal("POST", "/listeners", {"listener": body}, status=status)
    assert len(site.send("GET", "/listeners", status=200)["listeners"]) == 1
    assert site.show("loadbalancers", balancer)["provisioning_status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"loadbalancer_id": None}, 400, "at least one of: loadbalancer_id, listener_id"),
        ({"listener_id": "LISTENER"}, 409, "This listener already has a default pool"),
        ({"protocol": "UDP"}, 501, "haproxy balances TCP only"),
        ({"lb_algorithm": "SOURCE_IP_PORT"}, 501, "does not support SOURCE_IP_PORT"),
        ({"lb_algorithm": "BEST"}, 400, "Value should be one of: LEAST_CONNECTIONS"),
        ({"session_persistence": {"type": "APP_COOKIE"}}, 400, "must be specified when using"),
        (
            {"session_persistence": {"type": "SOURCE_IP", "cookie_name": "x"}},
            400,
            'can only be specified with session persistence of type "APP_COOKIE"',
        ),
        (
            {"session_persistence": {"type": "APP_COOKIE", "cookie_name": "a)b"}},
            400,
            'Supplied "cookie_name" is invalid.',
        ),
        ({"tls_ciphers": "NULL"}, 501, "haproxy chooses the ciphers"),
    ],
)
def test_a_pool_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    balancer, listener, _ = site.web()
    fields = {key: listener if value == "LISTENER" else value for key, value in fields.items()}
    body = {"loadbalancer_id": balancer, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
    refused = site.refusal("POST", "/pools", {"pool": body | fields}, status=status)
    assert message in refused


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"address": "web-1"}, 400, "IPv4 or IPv6 format"),
        ({"address": "2001:db8::1"}, 501, "no members with IPv6 addresses"),
        ({"weight": 257}, 400, "lower or equal to 256"),
        ({"subnet_id": _NO_ID}, 400, f"Subnet {_NO_ID} not found."),
        ({"address": "10.0.0.5"}, 409, "already using ip 10.0.0.5 on protocol_port 80"),
    ],
)
def test_a_member_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    *_, pool = site.web()
    path = f"pools/{pool}/members"
    site.create(path, address="10.0.0.5", protocol_port=80)
    body = {"address": "10.0.0.6", "protocol_port": 80, **fields}
    assert message in site.refusal("POST", f"/{path}", {"member": body}, status=status)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"type": "PING"}, 501, "no program that could send pings"),
        ({"type": "TCP", "url_path": "/x"}, 400, "url_path is not a valid option for health"),
        ({"url_path": "x y"}, 400, "Value must be a valid URL Path string"),
        ({"url_path": "/x\nbackend y"}, 400, "Value must be a valid URL Path string"),
        ({"expected_codes": "fine"}, 400, "expected_codes"),
        ({"domain_name": "x.test"}, 400, "'http_version' must be specified"),
        ({"domain_name": "x.test", "http_version": 1.0}, 400, "HTTP 1.1 domain name"),
        ({"max_retries": 11}, 400, "lower or equal to 10"),
        ({"delay": None}, 400, "delay. Value: 'None'. Mandatory field missing."),
    ],
)
def test_a_monitor_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    *_, pool = site.web()
    body = {"pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 5, "max_retries": 3, **fields}
    refused = site.refusal("POST", "/healthmonitors", {"healthmonitor": body}, status=status)
    assert message in refused


def test_a_pool_has_one_monitor(site: Site) -> None:
    *_, pool = site.web()
    body = {"pool_id": pool, "type": "HTTP", "delay": 5, "timeout": 5, "max_retries": 3}
    made = site.create("healthmonitors", **body)
    assert (made["http_method"], made["url_path"], made["expected_codes"]) == ("GET", "/", "200")
    assert made["pools"] == [{"id": pool}]
    refused = site.refusal("POST", "/healthmonitors", {"healthmonitor": body}, status=409)
    assert refused == "This pool already has a health monitor"
    assert site.show("pools", pool)["healthmonitor_id"] == made["id"]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"action": "REDIRECT_TO_POOL"}, 400, "redirect_pool_id or redirect_pool must not be"),
        ({"action": "REDIRECT_TO_URL"}, 400, "redirect_url must not be None"),
        (
            {"redirect_url": "http://x.test", "redirect_prefix": "http://x.test"},
            400,
            "Cannot specify redirect_pool_id and redirect_url",
        ),
        ({"redirect_url": "x.test"}, 400, "Value must be a valid URL string"),
        ({"redirect_url": "http://x.test/ y"}, 400, "Value must be a valid URL string"),
        ({"listener_id": _NO_ID}, 404, f"Listener {_NO_ID} not found."),
        ({"redirect_pool_id": _NO_ID, "action": "REDIRECT_TO_POOL"}, 404, f"Pool {_NO_ID} not"),
    ],
)
def test_a_policy_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    _, listener, _ = site.web()
    body = {"listener_id": listener, "action": "REJECT", **fields}
    assert message in site.refusal("POST", "/l7policies", {"l7policy": body}, status=status)


def test_a_tcp_listener_has_no_policies(site: Site) -> None:
    balancer, *_ = site.web()
    made = site.create("listeners", loadbalancer_id=balancer, protocol="TCP", protocol_port=22)
    body = {"l7policy": {"listener_id": made["id"], "action": "REJECT"}}
    refused = site.refusal("POST", "/l7policies", body, status=501)
    assert "TCP protocol listeners do not support L7 policies" in refused


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"type": "HEADER"}, 400, "L7 rule type requires a key"),
        ({"type": "HEADER", "key": "a b"}, 400, "Invalid characters in key"),
        ({"type": "HEADER", "key": "a,b"}, 501, "cannot look for a name"),
        ({"value": "a b"}, 400, "Invalid characters in comparison value"),
        ({"value": "a\nb"}, 400, "Value should match the pattern"),
        ({"compare_type": "REGEX", "value": "("}, 400, "Unable to parse regular expression"),
        ({"type": "FILE_TYPE", "compare_type": "CONTAINS"}, 400, "invalid comparison type"),
        ({"type": "SSL_CONN_HAS_CERT"}, 501, "no listener ends TLS"),
    ],
)
def test_a_rule_that_is_refused(site: Site, fields: Json, status: int, message: str) -> None:
    _, listener, _ = site.web()
    policy = site.create("l7policies", listener_id=listener, action="REJECT")["id"]
    body = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x", **fields}
    refused = site.refusal("POST", f"/l7policies/{policy}/rules", {"rule": body}, status=status)
    assert message in refused


def test_lists_and_what_is_not_there(site: Site) -> None:
    first, second = site.balancer(name="one")["id"], site.balancer(name="two")["id"]
    listed = site.send("GET", "/loadbalancers?name=two&fields=id", status=200)["loadbalancers"]
    assert listed == [{"id": second}]
    assert site.send("GET", f"/loadbalancers?marker={first}", status=200)["loadbalancers"] == []
    message = site.refusal("GET", f"/loadbalancers/{_NO_ID}", status=404)
    assert message == f"Load Balancer {_NO_ID} not found."
    assert site.send("GET", "/quotas/me", status=200)["quota"]["loadbalancer"] == -1
    names = [each["name"] for each in site.send("GET", "/providers", status=200)["providers"]]
    assert names == ["amphora", "octavia"]
    site.refusal("GET", "/flavors/x", status=404)


def test_a_field_is_set_back_to_its_default(site: Site) -> None:
    _, listener, _ = site.web()
    path, body = f"/listeners/{listener}", {"connection_limit": 5, "allowed_cidrs": ["10.0.0.0/8"]}
    site.send("PUT", path, {"listener": body}, status=200)
    site.octavia.settle()
    cleared = dict.fromkeys(body)
    site.send("PUT", path, {"listener": cleared}, status=200)
    site.octavia.settle()
    shown = site.show("listeners", listener)
    assert (shown["connection_limit"], shown["allowed_cidrs"]) == (-1, None)
    fixed = {"listener": {"protocol": "TCP"}}
    assert "Unknown attribute" in site.refusal("PUT", path, fixed, status=400)
