"""Creates, changes and removes subnets by Neutron's rules, in its words.

Source: neutron/db/db_base_plugin_v2.py, neutron/db/ipam_backend_mixin.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from infraci.local.domain.addresses import (
    IpNetwork,
    default_pools,
    host_range,
    ip_address,
    ip_network,
)
from infraci.local.domain.neutron import ROUTER_INTERFACE, Neutron, bad_request, invalid_input
from infraci.local.domain.records import FIRST_ADDRESS, Network, Pool, Port, Subnet
from infraci.local.domain.store import Store
from infraci.local.domain.subnet_pools import SubnetPools
from infraci.local.errors import ConflictError, InvalidRequestError

#: Modes by which a card makes its address itself.
_AUTOMATIC = frozenset({"slaac", "dhcpv6-stateless"})
_MODES = (*sorted(_AUTOMATIC), "dhcpv6-stateful")
_NAME_SERVERS_MAX = 5
_HOST_ROUTES_MAX = 20


def is_automatic(subnet: Subnet) -> bool:
    """Whether cards in a subnet make their addresses of their MAC addresses."""
    return subnet.ipv6_address_mode in _AUTOMATIC or subnet.ipv6_ra_mode in _AUTOMATIC


class Subnets(Neutron):
    """Subnets, kept in the store; the host learns of them with the ports that are in them."""

    def of(self, network: Network) -> list[Subnet]:
        """The subnets of a network, in the order in which they were made."""
        subnets = (self.store.get(Subnet, id_) for id_ in network.subnets)
        return [subnet for subnet in subnets if subnet is not None]

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.pools = SubnetPools(store)

    def create(self, subnet: Subnet, prefixlen: int | None = None) -> Subnet:
        """Add a subnet to its network; chooses the gateway and the pools if left open.

        Without a CIDR it is the next free one of its subnet pool, of that prefix length.
        """
        with self.store.locked():
            if subnet.cidr and prefixlen:
                raise bad_request("subnets", "cidr and prefixlen must not be supplied together")
            if not subnet.cidr and not subnet.subnetpool_id:
                raise bad_request(
                    "subnets", "a subnetpool must be specified in the absence of a cidr"
                )
            network = self.require(Network, subnet.network_id)
            if subnet.subnetpool_id:
                subnet = self.pools.allocate(subnet, prefixlen)
            self.pools.refuse_mixed(network, subnet)
            cidr = ip_network(subnet.cidr)
            self._refuse_overlap(network, cidr)
            if subnet.gateway_ip == FIRST_ADDRESS:
                subnet = replace(subnet, gateway_ip=str(cidr.network_address + 1))
            subnet = _validated(replace(subnet, cidr=str(cidr)))
            self.store.put(replace(network, subnets=(*network.subnets, subnet.id)))
            return self.store.put(subnet)

    def update(self, id_: str, **values: object) -> Subnet:
        """Change a subnet; cards of servers that run keep what they have."""
        with self.store.locked():
            before = self.require(Subnet, id_)
            after = _validated(replace(before, **values))  # type: ignore[arg-type]
            if after.gateway_ip != before.gateway_ip:
                self._refuse_gateway_in_use(before)
            return self.store.put(after)

    def delete(self, id_: str) -> None:
        """Remove a subnet of which no port has an address but those that make their own."""
        with self.store.locked():
            subnet = self.require(Subnet, id_)
            ports = self.store.find(Port, lambda port: id_ in _subnet_ids(port))
            users = [
                port
                for port in ports
                if not is_automatic(subnet) or port.device_owner == ROUTER_INTERFACE
            ]
            self.refuse_in_use(subnet, users)
            for port in ports:
                left = tuple(fixed for fixed in port.fixed_ips if fixed.subnet_id != id_)
                self.store.put(replace(port, fixed_ips=left))
            network = self.require(Network, subnet.network_id)
            others = tuple(each for each in network.subnets if each != id_)
            self.store.put(replace(network, subnets=others))
            self.store.drop(subnet)

    def _refuse_overlap(self, network: Network, cidr: IpNetwork) -> None:
        if cidr.prefixlen == 0:
            raise invalid_input("0 is not allowed as CIDR prefix length")
        for other in self.of(network):
            if cidr.overlaps(ip_network(other.cidr)):
                raise invalid_input(
                    f"Requested subnet with cidr: {cidr} for network: {network.id}"
                    " overlaps with another subnet"
                )

    def _refuse_gateway_in_use(self, subnet: Subnet) -> None:
        for port in self.store.find(Port, lambda port: port.device_owner == ROUTER_INTERFACE):
            for fixed in port.fixed_ips:
                if fixed.subnet_id == subnet.id and fixed.ip_address == subnet.gateway_ip:
                    raise ConflictError(
                        f"Current gateway ip {subnet.gateway_ip} already in use by port"
                        f" {port.id}. Unable to update.",
                        neutron_type="GatewayIpInUse",
                    )


def _subnet_ids(port: Port) -> set[str]:
    return {fixed.subnet_id for fixed in port.fixed_ips}


def _validated(subnet: Subnet) -> Subnet:
    """The subnet, complete and in its usual form. Raises RequestError as Neutron does."""
    cidr = ip_network(subnet.cidr)
    gateway = ip_address(subnet.gateway_ip, "gateway_ip") if subnet.gateway_ip else None
    for name, values in (
        ("cidr", [subnet.cidr]),
        ("gateway_ip", [gateway] if gateway else []),
        ("dns_nameserver", subnet.dns_nameservers),
        ("nexthop", [route.nexthop for route in subnet.host_routes]),
        ("destination", [route.destination for route in subnet.host_routes]),
    ):
        for value in values:
            _validate_version(subnet, name, value)
    if subnet.enable_dhcp:
        _validate_dhcp(cidr)
    for reason in _misfits(subnet, cidr, gateway):
        raise invalid_input(reason)
    for kind, count, limit in (
        ("DNS nameservers", len(subnet.dns_nameservers), _NAME_SERVERS_MAX),
        ("host routes", len(subnet.host_routes), _HOST_ROUTES_MAX),
    ):
        if count > limit:
            raise InvalidRequestError(
                f"Unable to complete operation for {subnet.id}."
                f" The number of {kind} exceeds the limit {limit}."
            )
    pools = subnet.allocation_pools or default_pools(cidr, gateway)
    subnet = replace(subnet, gateway_ip=gateway, allocation_pools=pools)
    return replace(subnet, allocation_pools=tuple(_validated_pools(subnet, cidr)))


def _validate_version(subnet: Subnet, name: str, value: str) -> None:
    try:
        version = ipaddress.ip_network(value, strict=False).version
    except ValueError:
        if name == "dns_nameserver":
            raise invalid_input(f"Error parsing dns address {value}") from None
        raise invalid_input(f"Invalid route: {value}") from None
    if version != subnet.ip_version:
        raise invalid_input(f"{name} '{value}' does not match the ip_version '{subnet.ip_version}'")


def _validate_dhcp(cidr: IpNetwork) -> None:
    if cidr.prefixlen > (30 if cidr.version == 4 else 126):
        raise invalid_input(
            "Subnet has a prefix length that is incompatible with DHCP service enabled"
        )
    for name, is_of in (("Multicast", cidr.is_multicast), ("Loopback", cidr.is_loopback)):
        if is_of:
            raise invalid_input(f"{name} IP subnet is not supported if enable_dhcp is True")


def _misfits(subnet: Subnet, cidr: IpNetwork, gateway: str | None) -> Iterator[str]:
    """What is wrong with the gateway, and with modes of IPv6."""
    if gateway and cidr.version == 4 and ipaddress.ip_address(gateway) in (cidr[0], cidr[-1]):
        yield "Gateway is not valid on subnet"
    modes = {"ipv6_ra_mode": subnet.ipv6_ra_mode, "ipv6_address_mode": subnet.ipv6_address_mode}
    chosen = {name: mode for name, mode in modes.items() if mode}
    for name, mode in chosen.items():
        if mode not in _MODES:
            yield f"'{mode}' is not in {list(_MODES)}"
        if subnet.ip_version == 4:
            yield f"{name} is not valid when ip_version is 4"
    if chosen and not subnet.enable_dhcp:
        yield "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False"
    if len(set(chosen.values())) > 1:
        yield (
            f"ipv6_ra_mode set to '{subnet.ipv6_ra_mode}' with ipv6_address_mode set to"
            f" '{subnet.ipv6_address_mode}' is not valid. If both attributes are set, they must be"
            " the same value"
        )
    if is_automatic(subnet) and cidr.prefixlen != 64:
        yield (
            f"Invalid CIDR {subnet.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address"
            " format, which requires the prefix to be /64"
        )


def _validated_pools(subnet: Subnet, cidr: IpNetwork) -> Iterator[Pool]:
    """The pools in the order of their addresses."""
    first, last = (int(address) for address in host_range(cidr))
    ranges = []
    for pool in subnet.allocation_pools:
        shown = f"{pool.start}-{pool.end}"
        start = ipaddress.ip_address(ip_address(pool.start, "allocation_pools"))
        end = ipaddress.ip_address(ip_address(pool.end, "allocation_pools"))
        if not start.version == end.version == cidr.version or int(start) > int(end):
            raise InvalidRequestError(
                f"The allocation pool {shown} is not valid.", neutron_type="InvalidAllocationPool"
            )
        if int(start) < first or int(end) > last:
            raise InvalidRequestError(
                f"The allocation pool {shown} spans beyond the subnet cidr {cidr}.",
                neutron_type="OutOfBoundsAllocationPool",
            )
        if subnet.gateway_ip and int(start) <= _number(subnet.gateway_ip) <= int(end):
            raise ConflictError(
                f"Gateway ip {subnet.gateway_ip} conflicts with allocation pool {shown}.",
                neutron_type="GatewayConflictWithAllocationPools",
            )
        ranges.append((int(start), int(end), Pool(start=str(start), end=str(end))))
    ranges.sort(key=lambda each: each[:2])
    for (_, end_before, one), (start_after, _, other) in pairwise(ranges):
        if start_after <= end_before:
            raise ConflictError(
                f"Found overlapping allocation pools: {one.start}-{one.end}"
                f" {other.start}-{other.end} for subnet {cidr}.",
                neutron_type="OverlappingAllocationPools",
            )
    yield from (pool for _, _, pool in ranges)


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address))
