"""Octavia's nouns as JSON: the form in which its API shows each of them.

Source: https://docs.openstack.org/api-ref/load-balancer/v2/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict

from infraci.local.api.web import Document
from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_records import (
    BalancerListener,
    BalancerPool,
    HealthMonitor,
    L7Policy,
    L7Rule,
    LoadBalancer,
    Member,
    OctaviaRecord,
)

#: Fields of records that no client sees.
_HIDDEN = frozenset({"loadbalancer_id", "owns_port", "group_id", "pool_id"})
#: The length of a time to the second.
_SECONDS = 19
_NO_TLS: Document = {"tls_ciphers": None, "tls_versions": None, "alpn_protocols": None}


def to_json(record: OctaviaRecord, graph: BalancerGraph, status: str) -> Document:
    """A record as the API shows it; ``status`` is its operating status."""
    shown = {key: value for key, value in asdict(record).items() if key not in _HIDDEN}
    if isinstance(record, L7Rule):
        del shown["name"]
    shown |= {
        "tags": list(record.tags),
        "tenant_id": record.project_id,
        "operating_status": status,
        "created_at": record.created_at[:_SECONDS],
        "updated_at": record.updated_at and record.updated_at[:_SECONDS],
    }
    return shown | _MORE[type(record)](record, graph)


def _of_balancer(record: LoadBalancer, graph: BalancerGraph) -> Document:
    return {
        "listeners": _ids(graph.listeners), "pools": _ids(graph.pools), "flavor_id": None,
        "vip_qos_policy_id": None, "vip_sg_ids": [], "additional_vips": [],
        "availability_zone": None, "vip_vnic_type": "normal",
    }  # fmt: skip


def _of_listener(record: BalancerListener, graph: BalancerGraph) -> Document:
    return {
        **_NO_TLS, "loadbalancers": _ids([graph.balancer]),
        "l7policies": _ids(graph.policies_of(record.id)),
        "insert_headers": dict(record.insert_headers),
        "allowed_cidrs": list(record.allowed_cidrs) or None, "default_tls_container_ref": None,
        "sni_container_refs": [], "client_ca_tls_container_ref": None,
        "client_authentication": "NONE", "client_crl_container_ref": None,
        "hsts_max_age": None, "hsts_include_subdomains": False, "hsts_preload": False,
    }  # fmt: skip


def _of_pool(record: BalancerPool, graph: BalancerGraph) -> Document:
    monitor, persistence = graph.monitor_of(record.id), record.session_persistence
    unused = {"persistence_timeout": None, "persistence_granularity": None}
    return {
        **_NO_TLS, "loadbalancers": _ids([graph.balancer]),
        "listeners": _ids(graph.listeners_of(record)),
        "members": _ids(graph.members_of(record.id)),
        "healthmonitor_id": monitor.id if monitor else None,
        "session_persistence": asdict(persistence) | unused if persistence else None,
        "tls_container_ref": None, "ca_tls_container_ref": None, "crl_container_ref": None,
    }  # fmt: skip


def _of_member(record: Member, graph: BalancerGraph) -> Document:
    return {"vnic_type": "normal"}


def _of_monitor(record: HealthMonitor, graph: BalancerGraph) -> Document:
    return {"pools": [{"id": record.pool_id}]}


def _of_policy(record: L7Policy, graph: BalancerGraph) -> Document:
    return {"rules": _ids(graph.rules_of(record.id))}


def _of_rule(record: L7Rule, graph: BalancerGraph) -> Document:
    return {}


_MORE: Mapping[type[OctaviaRecord], Callable[..., Document]] = {
    LoadBalancer: _of_balancer,
    BalancerListener: _of_listener,
    BalancerPool: _of_pool,
    Member: _of_member,
    HealthMonitor: _of_monitor,
    L7Policy: _of_policy,
    L7Rule: _of_rule,
}


def _ids(records: Iterable[OctaviaRecord]) -> list[Document]:
    return [{"id": record.id} for record in records]


def tree_to_json(graph: BalancerGraph, statuses: Mapping[str, str]) -> Document:
    """The status tree of a balancer."""

    def node(record: OctaviaRecord, **more: object) -> Document:
        return {
            "id": record.id,
            "name": record.name,
            "provisioning_status": record.provisioning_status,
            "operating_status": statuses[record.id],
            **more,
        }

    def pool_node(pool: BalancerPool) -> Document:
        members = [
            node(member, address=member.address, protocol_port=member.protocol_port)
            for member in graph.members_of(pool.id)
        ]
        monitor = graph.monitor_of(pool.id)
        health = {"health_monitor": node(monitor, type=monitor.type)} if monitor else {}
        return node(pool, members=members, **health)

    listeners = [
        node(listener, pools=[pool_node(pool) for pool in graph.pools_of(listener)])
        for listener in graph.listeners
    ]
    return {"statuses": {"loadbalancer": node(graph.balancer, listeners=listeners)}}
