"""What Octavia refuses of listeners, pools, members and health monitors.

Source of rules and messages: octavia/api/v2/controllers, octavia/common/exceptions.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace

from infraci.local.domain.balancer_graph import BalancerGraph
from infraci.local.domain.balancer_records import (
    BalancerListener,
    BalancerPool,
    HealthMonitor,
    Member,
    SessionPersistence,
)
from infraci.local.errors import ConflictError, InvalidRequestError, UnsupportedError
from infraci.local.host.haproxy_config import FORWARDED_FOR, HEADERS, is_plain

#: BalancerListener's protocol → the protocols that its pools may have.
POOL_PROTOCOLS = {
    "TCP": ("HTTP", "HTTPS", "PROXY", "PROXYV2", "TCP"),
    "HTTP": ("HTTP", "PROXY", "PROXYV2"),
    "HTTPS": ("HTTPS", "PROXY", "PROXYV2", "TCP"),
}
#: What Octavia has, and haproxy alone has not → why.
UNSUPPORTED_PROTOCOLS = {
    "TERMINATED_HTTPS": "there is no key manager that could keep its certificate",
    "UDP": "haproxy balances TCP only",
    "SCTP": "haproxy balances TCP only",
    "PROMETHEUS": "no balancer shows its metrics",
}
_UNSUPPORTED_MONITORS = {
    "PING": "its balancers run no program that could send pings",
    "UDP-CONNECT": "haproxy balances TCP only",
    "SCTP": "haproxy balances TCP only",
}
_HTTP_MONITORS = ("HTTP", "HTTPS")
_HTTP_FIELDS = ("http_method", "url_path", "expected_codes")
_APP_COOKIE = "APP_COOKIE"


def unsupported(what: str) -> UnsupportedError:
    """The error for what the load balancers of the embedded cloud cannot do."""
    return UnsupportedError(
        f"Provider 'amphora' does not support a requested option: {what} on the embedded cloud."
    )


def failure(detail: str) -> InvalidRequestError:
    """Octavia's error for values that do not fit together."""
    return InvalidRequestError(f"Validation failure: {detail}")


def _no_option(value: object, option: str) -> InvalidRequestError:
    return InvalidRequestError(f"{value} is not a valid option for {option}")


def refuse_protocol(protocol: str, noun: str) -> None:
    """Raise UnsupportedError for a protocol of Octavia's that haproxy cannot do alone."""
    if reason := UNSUPPORTED_PROTOCOLS.get(protocol):
        raise unsupported(f"there are no {protocol} {noun}s: {reason},")


def validate_listener(graph: BalancerGraph, listener: BalancerListener) -> None:
    """Raise RequestError as Octavia does for such a listener of a balancer."""
    refuse_protocol(listener.protocol, "listener")
    for other in graph.listeners:
        if other.id != listener.id and other.protocol_port == listener.protocol_port:
            raise ConflictError(
                "Another Listener on this Load Balancer is already using protocol"
                f" {other.protocol} and protocol_port {listener.protocol_port}"
            )
    if listener.insert_headers:
        _validate_headers(listener)
    for cidr in listener.allowed_cidrs:
        if ipaddress.ip_network(cidr, strict=False).version != 4:
            vips = [graph.balancer.vip_address]
            raise failure(f"CIDR {cidr} IP version incompatible with all VIPs {vips} IP version.")


def _validate_headers(listener: BalancerListener) -> None:
    names = list(listener.insert_headers)
    if listener.protocol != "HTTP":
        raise _no_option("insert-headers", f"a {listener.protocol} protocol listener.")
    if any(name not in HEADERS and name != FORWARDED_FOR for name in names):
        raise _no_option(names, "insert_headers")


def validate_pair(listener: BalancerListener, pool: BalancerPool) -> None:
    """Raise InvalidRequestError when a listener of that protocol cannot have such a pool."""
    if pool.protocol not in POOL_PROTOCOLS[listener.protocol]:
        raise failure(
            f"The pool protocol '{pool.protocol}' is invalid while the listener protocol is"
            f" '{listener.protocol}'."
        )


def validate_pool(pool: BalancerPool) -> None:
    """Raise RequestError as Octavia does for such a pool."""
    refuse_protocol(pool.protocol, "pool")
    if pool.lb_algorithm == "SOURCE_IP_PORT":
        raise UnsupportedError(
            "Provider 'amphora' does not support a requested option: Amphora provider does not"
            " support SOURCE_IP_PORT algorithm."
        )
    if pool.session_persistence is not None:
        _validate_persistence(pool.session_persistence)


def _validate_persistence(persistence: SessionPersistence) -> None:
    cookie = persistence.cookie_name
    if cookie and persistence.type != _APP_COOKIE:
        raise failure(
            'Field "cookie_name" can only be specified with session persistence of type'
            ' "APP_COOKIE".'
        )
    if cookie and not is_plain(cookie):
        raise failure('Supplied "cookie_name" is invalid.')
    if persistence.type == _APP_COOKIE and not cookie:
        raise failure(
            'Field "cookie_name" must be specified when using the "APP_COOKIE" session persistence'
            " type."
        )


def validate_member(graph: BalancerGraph, member: Member) -> None:
    """Raise RequestError as Octavia does for such a member of a pool."""
    for address in (member.address, member.monitor_address):
        if address and ipaddress.ip_address(address).version != 4:
            raise unsupported("there are no members with IPv6 addresses")
    for other in graph.members_of(member.pool_id):
        is_same = (other.address, other.protocol_port) == (member.address, member.protocol_port)
        if is_same and other.id != member.id:
            raise ConflictError(
                f"Another member on this pool is already using ip {member.address} on"
                f" protocol_port {member.protocol_port}"
            )


def validate_monitor(graph: BalancerGraph, monitor: HealthMonitor) -> HealthMonitor:
    """The monitor, complete. Raises RequestError as Octavia does."""
    if reason := _UNSUPPORTED_MONITORS.get(monitor.type):
        raise unsupported(f"there are no {monitor.type} health monitors: {reason},")
    other = graph.monitor_of(monitor.pool_id)
    if other is not None and other.id != monitor.id:
        raise ConflictError("This pool already has a health monitor")
    if monitor.type in _HTTP_MONITORS:
        monitor = replace(
            monitor,
            http_method=monitor.http_method or "GET",
            url_path=monitor.url_path or "/",
            expected_codes=monitor.expected_codes or "200",
        )
    else:
        _refuse_fields(monitor, _HTTP_FIELDS)
    if monitor.domain_name and not monitor.http_version:
        raise failure("'http_version' must be specified when 'domain_name' is provided.")
    if monitor.domain_name and monitor.http_version and monitor.http_version < 1.1:
        raise _no_option(
            f"http_version {monitor.http_version}",
            "health monitors HTTP 1.1 domain name health check",
        )
    return monitor


def _refuse_fields(monitor: HealthMonitor, names: Iterable[str]) -> None:
    for name in names:
        if getattr(monitor, name):
            raise _no_option(name, f"health monitors of type {monitor.type}")
