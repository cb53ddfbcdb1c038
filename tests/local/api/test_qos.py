"""Policies for the quality of service: Neutron's API for them, and what becomes of their rules."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from infraci.local.api.qos import QosApi
from infraci.local.domain.networks import Networks
from infraci.local.domain.packet_filters import PacketFilters, network_filters
from infraci.local.domain.records import Network, Port
from infraci.local.domain.server_ports import NOVA_OWNER
from infraci.local.domain.store import Store
from infraci.local.host.port_filter import PortFilter, RateLimit
from tests.local.domain.test_networks import RecordedWiring


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def client(store: Store) -> Client:
    return Client(QosApi(store, PacketFilters(store, RecordedWiring()), lambda _: True))


def made(client: Client, **values: object) -> str:
    answer = client.post("/policies", json={"policy": {"name": "slow", **values}})
    assert answer.status_code == 201
    return str(answer.json["policy"]["id"])  # type: ignore[index]


def rule(client: Client, policy: str, type_: str, **values: object) -> Any:
    return client.post(f"/policies/{policy}/{type_}_rules", json={f"{type_}_rule": values})


def test_a_policy_and_its_rules(client: Client) -> None:
    policy = made(client, description="d", shared=True)
    limit = rule(client, policy, "bandwidth_limit", max_kbps=300).json["bandwidth_limit_rule"]
    mark = rule(client, policy, "dscp_marking", dscp_mark=10).json["dscp_marking_rule"]
    assert {**limit, "id": None} == {
        "id": None,
        "max_kbps": 300,
        "max_burst_kbps": 0,
        "direction": "egress",
    }
    shown = client.get(f"/policies/{policy}").json["policy"]  # type: ignore[index]
    assert (shown["name"], shown["shared"], shown["is_default"]) == ("slow", True, False)
    assert [each["type"] for each in shown["rules"]] == ["bandwidth_limit", "dscp_marking"]
    path = f"/policies/{policy}/bandwidth_limit_rules/{limit['id']}"
    changed = client.put(path, json={"bandwidth_limit_rule": {"direction": "ingress"}})
    assert changed.json["bandwidth_limit_rule"] == {**limit, "direction": "ingress"}  # type: ignore[index]
    assert client.get(path).json == changed.json
    listed = client.get(f"/policies/{policy}/dscp_marking_rules").json
    assert listed == {"dscp_marking_rules": [mark]}
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    named = client.put(f"/policies/{policy}", json={"policy": {"name": "fast"}})
    assert named.json["policy"]["name"] == "fast"  # type: ignore[index]
    (fast,) = client.get("/policies?name=fast").json["policies"]  # type: ignore[index]
    assert fast["id"] == policy
    assert client.get("/policies?name=slow").json == {"policies": []}
    assert client.delete(f"/policies/{policy}").status_code == 204
    assert client.get(f"/policies/{policy}/dscp_marking_rules").status_code == 404
    types = client.get("/rule-types").json["rule_types"]  # type: ignore[index]
    assert {"type": "bandwidth_limit"} in types


@pytest.mark.parametrize(
    ("type_", "values", "status", "message"),
    [
        ("bandwidth_limit", {}, 400, "Required attribute 'max_kbps' not specified"),
        ("bandwidth_limit", {"max_kbps": -1}, 400, "Invalid input for max_kbps"),
        ("bandwidth_limit", {"max_kbps": 1, "direction": "up"}, 400, "Invalid input for direction"),
        (
            "bandwidth_limit",
            {"max_kbps": 1, "colour": 1},
            400,
            "Unrecognized attribute(s) 'colour'",
        ),
        ("bandwidth_limit", {"max_kbps": 1}, 409, "which already exists in QoS Policy"),
        ("dscp_marking", {"dscp_mark": 7}, 400, "Invalid input for dscp_mark"),
        ("minimum_bandwidth", {"min_kbps": 1}, 404, "could not be found"),
    ],
)
def test_a_rule_is_refused(
    client: Client, type_: str, values: dict[str, object], status: int, message: str
) -> None:
    policy = made(client)
    rule(client, policy, "bandwidth_limit", max_kbps=100)
    answer = rule(client, policy, type_, **values)
    assert answer.status_code == status
    assert message in answer.text


def test_a_policy_in_use_stays(client: Client, store: Store) -> None:
    policy = made(client)
    store.put(Network(id="1", qos_policy_id=policy))
    answer = client.delete(f"/policies/{policy}")
    assert answer.status_code == 409
    assert f"QoS Policy {policy} is used by network 1." in answer.text


def test_a_port_has_its_own_policy_or_its_networks(client: Client, store: Store) -> None:
    slow, marked, fast = made(client), made(client), made(client)
    rule(client, slow, "bandwidth_limit", max_kbps=8000)
    rule(client, slow, "bandwidth_limit", max_kbps=80, max_burst_kbps=4000, direction="ingress")
    rule(client, marked, "dscp_marking", dscp_mark=10)
    rule(client, fast, "bandwidth_limit", max_kbps=0)
    networks = Networks(store, RecordedWiring(), public_cidr="172.24.4.0/24")
    network = networks.create_network(Network(qos_policy_id=slow))

    def port(policy: str | None) -> PortFilter:
        made = networks.create_port(
            Port(
                network_id=network.id,
                device_id=f"d{policy}",
                device_owner=NOVA_OWNER,
                qos_policy_id=policy,
            )
        )
        filters = {each.mac: each for each in network_filters(store)[network.id].ports}
        return filters[made.mac_address]

    limited = port(None)
    assert limited.send_limit == RateLimit(bytes_per_s=1_000_000, burst_bytes=800_000)
    assert limited.receive_limit == RateLimit(bytes_per_s=10_000, burst_bytes=500_000)
    assert (port(marked).send_limit, port(marked).dscp) == (None, 10)
    assert port(fast).send_limit is None
