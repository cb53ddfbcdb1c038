"""The store: what it keeps is read again by the next process, also what an earlier build wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infraci.local.domain.database_reserve import open_database
from infraci.local.domain.record import Record
from infraci.local.domain.records import (
    AddressPair,
    Fault,
    FixedIp,
    Gateway,
    Network,
    Pool,
    Port,
    Route,
    Router,
    Server,
    Subnet,
)
from infraci.local.domain.store import Store

RECORDS = (
    Network(name="n", is_external=True, subnets=("a", "b"), tags=("x",)),
    Subnet(
        network_id="1",
        cidr="10.0.0.0/24",
        gateway_ip=None,
        allocation_pools=(Pool(start="10.0.0.2", end="10.0.0.3"),),
        host_routes=(Route(destination="10.1.0.0/24", nexthop="10.0.0.4"),),
    ),
    Port(
        network_id="1",
        fixed_ips=(FixedIp(subnet_id="2", ip_address="10.0.0.2"),),
        allowed_address_pairs=(AddressPair(ip_address="10.0.0.9"),),
        position=1,
        is_servers_own=True,
    ),
    Router(
        external_gateway_info=Gateway(
            network_id="1", external_fixed_ips=(FixedIp(subnet_id="2", ip_address="10.0.0.2"),)
        )
    ),
    Router(name="without a gateway"),
    Server(
        name="web-0",
        image="1",
        flavor="small",
        metadata={"role": "web"},
        hints={"heat_root_stack_id": "1"},
        fault=Fault(created="2026-01-01T00:00:00Z", message="no"),
    ),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.kind)
def test_a_record_is_read_again_as_it_was(record: Record, tmp_path: Path) -> None:
    first = Store(tmp_path / "cloud.sqlite")
    first.put(record)
    first.close()
    assert Store(tmp_path / "cloud.sqlite").find(type(record)) == [record]


def test_what_is_dropped_stays_away(tmp_path: Path) -> None:
    first = Store(tmp_path / "cloud.sqlite")
    kept, dropped = first.put(Network(name="kept")), first.put(Network(name="dropped"))
    first.drop(dropped)
    first.drop(dropped)
    assert first.change(Network, dropped.id, lambda network: replace(network, name="")) is None
    first.close()
    second = Store(tmp_path / "cloud.sqlite")
    assert second.find(Network) == [kept]
    assert second.get(Network, dropped.id) is None


#: What infraci wrote before it had records: the documents that Neutron's and Nova's APIs show.
EARLIER: dict[str, dict[str, Any]] = {
    "network": {
        "id": "1", "tenant_id": "p", "project_id": "p", "name": "n", "description": "",
        "status": "ACTIVE", "admin_state_up": True, "shared": False, "router:external": True,
        "subnets": ["2"], "mtu": 1400, "port_security_enabled": True,
        "availability_zones": ["local"], "availability_zone_hints": [], "tags": None,
        "qos_policy_id": None, "dns_domain": "",
    },
    "port": {
        "id": "3", "tenant_id": "p", "project_id": "p", "network_id": "1", "name": "",
        "description": "", "status": "ACTIVE", "admin_state_up": True, "device_id": "4",
        "device_owner": "compute:local", "security_groups": ["5"], "allowed_address_pairs": [],
        "extra_dhcp_opts": [], "port_security_enabled": True, "binding:vnic_type": "normal",
        "tags": [], "fixed_ips": [{"subnet_id": "2", "ip_address": "10.0.0.2"}],
        "mac_address": "fa:16:3e:00:00:01", "infraci:position": 1, "infraci:by_nova": True,
    },
    "server": {
        "id": "4", "name": "web-0", "status": "ERROR", "image": "6", "flavor": "small",
        "key_name": None, "user_data": "IyE=", "metadata": {"role": "web"}, "config_drive": True,
        "description": None, "tags": ["t"], "hints": {"heat_root_stack_id": "7"},
        "created": "c", "updated": "u", "access": "198.18.0.2",
        "fault": {"code": 500, "created": "c", "message": "no"},
    },
}  # fmt: skip


def test_what_an_earlier_build_kept_is_read(tmp_path: Path) -> None:
    Store(tmp_path / "cloud.sqlite").close()
    database = open_database(tmp_path / "cloud.sqlite")
    for kind, document in EARLIER.items():
        row = (kind, document["id"], json.dumps(document))
        database.execute("INSERT INTO document VALUES (?, ?, ?)", row)
    database.close()
    store = Store(tmp_path / "cloud.sqlite")
    assert store.find(Network) == [
        Network(id="1", project_id="p", name="n", is_external=True, subnets=("2",), mtu=1400)
    ]
    assert store.find(Port) == [
        Port(
            id="3",
            project_id="p",
            network_id="1",
            status="ACTIVE",
            mac_address="fa:16:3e:00:00:01",
            fixed_ips=(FixedIp(subnet_id="2", ip_address="10.0.0.2"),),
            device_id="4",
            device_owner="compute:local",
            security_groups=("5",),
            position=1,
            is_servers_own=True,
        )
    ]
    assert store.find(Server) == [
        Server(
            id="4",
            name="web-0",
            status="ERROR",
            image="6",
            flavor="small",
            user_data="IyE=",
            metadata={"role": "web"},
            config_drive=True,
            tags=("t",),
            hints={"heat_root_stack_id": "7"},
            created="c",
            updated="u",
            access="198.18.0.2",
            fault=Fault(created="c", message="no"),
        )
    ]
