"""The operating statuses of a load balancer and its parts, from what haproxy says of them.

Source: octavia/amphorae/drivers/health/heartbeat_udp.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_records import (
    PENDING_CREATE,
    BalancerListener,
    BalancerPool,
    Member,
)
from infraci.local.host.balancer_plan import (
    BACKEND,
    FRONTEND,
    BalancerStats,
    ProxyStats,
    backend_name,
)

ONLINE = "ONLINE"
OFFLINE = "OFFLINE"
DEGRADED = "DEGRADED"
ERROR = "ERROR"
DRAINING = "DRAINING"
NO_MONITOR = "NO_MONITOR"

#: What haproxy says of a listener; of a server, what its word begins with.
_LISTENERS = {"OPEN": ONLINE, "FULL": DEGRADED}
_SERVERS = {
    "UP": ONLINE,
    "DOWN": ERROR,
    "DRAIN": DRAINING,
    "MAINT": OFFLINE,
    "no check": NO_MONITOR,
}
#: From good to bad: a balancer is as its worst part.
_SEVERITY = (ONLINE, DEGRADED, ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What went through a listener or a balancer."""

    active_connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    request_errors: int = 0
    total_connections: int = 0


def statuses_of(graph: BalancerGraph, stats: BalancerStats) -> Mapping[str, str]:
    """Return the operating status of each record of a balancer, by its id."""
    balancer = graph.balancer
    statuses = {
        part.id: ONLINE if part.admin_state_up and part.provisioning_status == "ACTIVE" else OFFLINE
        for part in graph.all()
    }
    if balancer.provisioning_status == PENDING_CREATE or not balancer.admin_state_up:
        worst = OFFLINE
    else:
        worst = ONLINE
    for listener in graph.listeners:
        statuses[listener.id] = status = _of_listener(graph, listener, stats)
        worst = _worse(worst, status) if status == DEGRADED else worst
    for pool in graph.pools:
        members = _of_members(graph, pool, stats)
        statuses |= members
        statuses[pool.id] = status = _of_pool(graph, pool, members, stats)
        worst = _worse(worst, status)
    return {**statuses, balancer.id: worst}


def _of_listener(graph: BalancerGraph, listener: BalancerListener, stats: BalancerStats) -> str:
    counted = stats.get((listener.id, FRONTEND))
    if counted is None:
        is_up = listener.admin_state_up and graph.balancer.admin_state_up
        return ERROR if is_up and listener.provisioning_status == "ACTIVE" else OFFLINE
    return _LISTENERS.get(counted.status, OFFLINE)


def _of_members(
    graph: BalancerGraph, pool: BalancerPool, stats: BalancerStats
) -> Mapping[str, str]:
    is_monitored = graph.monitor_of(pool.id) is not None
    absent = OFFLINE if is_monitored else NO_MONITOR
    return {
        member.id: _of_member(member, _reports(graph, pool, member.id, stats), absent)
        for member in graph.members_of(pool.id)
    }


def _of_member(member: Member, reports: list[ProxyStats], absent: str) -> str:
    for report in reports:
        for word, status in _SERVERS.items():
            if report.status.startswith(word):
                return status
    return absent if member.admin_state_up else OFFLINE


def _of_pool(
    graph: BalancerGraph, pool: BalancerPool, members: Mapping[str, str], stats: BalancerStats
) -> str:
    for report in _reports(graph, pool, BACKEND, stats):
        if report.status == "DOWN":
            # haproxy says so of a backend whose servers all drain, or that has none enabled.
            return ERROR
        return DEGRADED if ERROR in members.values() else ONLINE
    return OFFLINE


def _reports(
    graph: BalancerGraph, pool: BalancerPool, name: str, stats: BalancerStats
) -> list[ProxyStats]:
    """What the backends of a pool, one for each of its listeners, say of one of theirs."""
    keys = [(backend_name(pool.id, one.id), name) for one in graph.listeners_of(pool)]
    return [stats[key] for key in keys if key in stats]


def _worse(one: str, other: str) -> str:
    if one not in _SEVERITY or other not in _SEVERITY:
        return one
    return max(one, other, key=_SEVERITY.index)


def totals_of(listeners: tuple[BalancerListener, ...], stats: BalancerStats) -> Totals:
    """Return what went through some listeners since haproxy last began to count."""
    counted = [stats[key] for one in listeners if (key := (one.id, FRONTEND)) in stats]
    return Totals(
        active_connections=sum(each.active_connections for each in counted),
        bytes_in=sum(each.bytes_in for each in counted),
        bytes_out=sum(each.bytes_out for each in counted),
        request_errors=sum(each.request_errors for each in counted),
        total_connections=sum(each.total_connections for each in counted),
    )
