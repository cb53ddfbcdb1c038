"""Chooses addresses from pools, and MAC addresses, as Neutron does."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, Iterable

from infraci.local.domain.records import Pool
from infraci.local.errors import InvalidRequestError

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def default_pools(cidr: IpNetwork, gateway: str | None) -> tuple[Pool, ...]:
    """All of a subnet but its network, broadcast and gateway addresses; IPv6 has no broadcast."""
    first, last = host_range(cidr)
    if gateway is None or (hole := ipaddress.ip_address(gateway)) not in cidr:
        return (_pool(first, last),) if int(first) <= int(last) else ()
    ranges = ((int(first), int(hole) - 1), (int(hole) + 1, int(last)))
    address = type(first)
    return tuple(_pool(address(start), address(end)) for start, end in ranges if start <= end)


def host_range(cidr: IpNetwork) -> tuple[IpAddress, IpAddress]:
    """The first and the last address of a subnet that a port may have."""
    if cidr.version == 6:
        return (cidr[0], cidr[0]) if cidr.prefixlen == 128 else (cidr[1], cidr[-1])
    return (cidr[0], cidr[-1]) if cidr.prefixlen >= 31 else (cidr[1], cidr[-2])


def next_free(pools: Iterable[Pool], taken: Collection[str | None]) -> str | None:
    """The lowest address of the pools that is not taken; None when all are."""
    for pool in pools:
        address, end = ipaddress.ip_address(pool.start), ipaddress.ip_address(pool.end)
        while int(address) <= int(end):
            if str(address) not in taken:
                return str(address)
            address += 1
    return None


def new_mac() -> str:
    """A fresh MAC address, with the prefix that OpenStack uses."""
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))


def interface_address(cidr: str, mac: str) -> str:
    """The address in an IPv6 subnet that a card makes of its MAC address (RFC 4291, EUI-64)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return str(ip_network(cidr)[int.from_bytes(identifier, "big")])


def ip_network(cidr: object) -> IpNetwork:
    """A CIDR as a client gave it. Raises InvalidRequestError."""
    try:
        return ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        raise InvalidRequestError(
            f"Invalid input for cidr. Reason: '{cidr}' is not a valid IP subnet."
        ) from None


def ip_address(value: str, field: str) -> str:
    """An address as a client gave it, in its usual form. Raises InvalidRequestError."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise InvalidRequestError(
            f"Invalid input for {field}. Reason: '{value}' is not a valid IP address."
        ) from None


def with_prefix(address: str, cidr: str) -> str:
    """An address of a subnet with the subnet's prefix length, as in ``10.0.0.5/24``."""
    return f"{address}/{ip_network(cidr).prefixlen}"


def _pool(start: IpAddress, end: IpAddress) -> Pool:
    return Pool(start=str(start), end=str(end))
