"""Chooses IPv4 addresses from pools, and MAC addresses."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, Iterable

from infraci.local.domain.records import Pool
from infraci.local.errors import InvalidRequestError


def default_pools(cidr: ipaddress.IPv4Network, gateway: str | None) -> tuple[Pool, ...]:
    """All of a subnet but its network, broadcast and gateway addresses, as Neutron does it."""
    first, last = int(cidr.network_address) + 1, int(cidr.broadcast_address) - 1
    if cidr.prefixlen >= 31:
        first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if gateway is None or ipaddress.IPv4Address(gateway) not in cidr:
        return (_pool(first, last),) if first <= last else ()
    hole = int(ipaddress.IPv4Address(gateway))
    ranges = ((first, hole - 1), (hole + 1, last))
    return tuple(_pool(start, end) for start, end in ranges if start <= end)


def next_free(pools: Iterable[Pool], taken: Collection[str | None]) -> str | None:
    """The lowest address of the pools that is not taken; None when all are."""
    for pool in pools:
        start, end = ipaddress.IPv4Address(pool.start), ipaddress.IPv4Address(pool.end)
        for number in range(int(start), int(end) + 1):
            address = str(ipaddress.IPv4Address(number))
            if address not in taken:
                return address
    return None


def new_mac() -> str:
    """A fresh MAC address, with the prefix that OpenStack uses."""
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def ipv4_network(cidr: object) -> ipaddress.IPv4Network:
    """A CIDR as a client gave it; raises InvalidRequestError when it is none, or IPv6."""
    try:
        network = ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        raise InvalidRequestError(f"Invalid input for cidr. Reason: {cidr!r} is no CIDR.") from None
    if not isinstance(network, ipaddress.IPv4Network):
        raise InvalidRequestError(f"The embedded cloud has IPv4 networks only; {cidr} is IPv6.")
    return network


def _pool(start: int, end: int) -> Pool:
    return Pool(start=str(ipaddress.IPv4Address(start)), end=str(ipaddress.IPv4Address(end)))
