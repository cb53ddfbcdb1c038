"""Turns a load balancer's records into the plan of its haproxy, and the ports it has to open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_records import (
    BalancerListener,
    BalancerPool,
    HealthMonitor,
    L7Policy,
    L7Rule,
    Member,
)
from infraci.local.host.balancer_plan import (
    Backend,
    BackendServer,
    BalancerPlan,
    Frontend,
    HealthCheck,
    Match,
    Policy,
)

_BALANCE = {
    "ROUND_ROBIN": "roundrobin",
    "LEAST_CONNECTIONS": "leastconn",
    "SOURCE_IP": "source",
}
_PROXY_VERSIONS = {"PROXY": 1, "PROXYV2": 2}
HTTP = "HTTP"


def plan_of(graph: BalancerGraph) -> BalancerPlan:
    """Return what haproxy has to serve, without the parts that are being deleted."""
    listeners = graph.listeners if graph.balancer.admin_state_up else ()
    return BalancerPlan(
        id=graph.balancer.id,
        address=graph.balancer.vip_address,
        frontends=tuple(
            _frontend(graph, listener)
            for listener in listeners
            if listener.is_there and listener.admin_state_up
        ),
    )


def openings(graph: BalancerGraph) -> frozenset[tuple[int, str | None]]:
    """Return the open ports, each with the CIDR of its clients; None stands for any client."""
    return frozenset(
        (listener.protocol_port, cidr)
        for listener in graph.listeners
        if listener.is_there
        for cidr in listener.allowed_cidrs or (None,)
    )


def _frontend(graph: BalancerGraph, listener: BalancerListener) -> Frontend:
    pools = {
        pool.id: pool for pool in graph.pools_of(listener) if pool.is_there and pool.admin_state_up
    }
    limit = listener.connection_limit
    return Frontend(
        id=listener.id,
        mode=_mode(listener.protocol),
        port=listener.protocol_port,
        allowed=() if graph.balancer.group_id else listener.allowed_cidrs,
        max_connections=limit if limit > -1 else None,
        client_timeout_ms=listener.timeout_client_data,
        connect_timeout_ms=listener.timeout_member_connect,
        server_timeout_ms=listener.timeout_member_data,
        inspect_delay_ms=listener.timeout_tcp_inspect,
        headers=tuple(
            name for name, value in listener.insert_headers.items() if value.lower() == "true"
        ),
        policies=tuple(_policies(graph, listener, pools)),
        default_backend=listener.default_pool_id if listener.default_pool_id in pools else "",
        backends=tuple(_backend(graph, listener, pool) for pool in pools.values()),
    )


def _policies(
    graph: BalancerGraph, listener: BalancerListener, pools: Mapping[str, BalancerPool]
) -> Iterator[Policy]:
    for policy in graph.policies_of(listener.id):
        rules = [rule for rule in graph.rules_of(policy.id) if rule.is_there]
        matches = tuple(_match(rule) for rule in rules if rule.admin_state_up)
        is_off = policy.redirect_pool_id is not None and policy.redirect_pool_id not in pools
        if policy.is_there and policy.admin_state_up and matches and not is_off:
            yield Policy(
                action=policy.action,
                matches=matches,
                target=_target(policy),
                http_code=policy.redirect_http_code or 302,
            )


def _target(policy: L7Policy) -> str:
    return policy.redirect_url or policy.redirect_prefix or policy.redirect_pool_id or ""


def _match(rule: L7Rule) -> Match:
    return Match(
        id=rule.id,
        type=rule.type,
        compare=rule.compare_type,
        key=rule.key or "",
        value=rule.value,
        is_inverted=rule.invert,
    )


def _backend(graph: BalancerGraph, listener: BalancerListener, pool: BalancerPool) -> Backend:
    proxy_version = _PROXY_VERSIONS.get(pool.protocol, 0)
    persistence = pool.session_persistence
    monitor = graph.monitor_of(pool.id)
    is_checked = monitor is not None and monitor.is_there and monitor.admin_state_up
    return Backend(
        id=pool.id,
        mode=_mode(listener.protocol if proxy_version else pool.protocol),
        balance=_BALANCE[pool.lb_algorithm],
        persistence=persistence.type if persistence else "",
        cookie=(persistence.cookie_name or "") if persistence else "",
        check=_check(monitor) if monitor is not None and is_checked else None,
        servers=tuple(_server(one) for one in graph.members_of(pool.id) if one.is_there),
        proxy_version=proxy_version,
        is_tls=pool.tls_enabled,
    )


def _check(monitor: HealthMonitor) -> HealthCheck:
    return HealthCheck(
        type=monitor.type,
        every_s=max(1, monitor.delay),
        timeout_s=max(1, monitor.timeout),
        rise=monitor.max_retries,
        fall=monitor.max_retries_down,
        method=monitor.http_method or "GET",
        path=monitor.url_path or "/",
        codes=tuple(expanded(monitor.expected_codes or "200")),
        version=f"{monitor.http_version:.1f}" if monitor.http_version else "",
        host=monitor.domain_name or "",
    )


def expanded(codes: str) -> Iterator[str]:
    """Yield the statuses of a text such as ``200``, ``200, 202`` or ``200-204``."""
    first, dash, last = codes.partition("-")
    if dash:
        yield from map(str, range(int(first), int(last) + 1))
    else:
        yield from (code.strip() for code in codes.split(","))


def _server(member: Member) -> BackendServer:
    return BackendServer(
        id=member.id,
        address=member.address,
        port=member.protocol_port,
        weight=member.weight,
        is_backup=member.backup,
        is_enabled=member.admin_state_up,
        check_address=member.monitor_address,
        check_port=member.monitor_port,
    )


def _mode(protocol: str) -> str:
    return "http" if protocol == HTTP else "tcp"
