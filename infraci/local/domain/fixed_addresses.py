"""Chooses the addresses of ports as Neutron does.

Source: neutron/db/ipam_pluggable_backend.py
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence

from infraci.local.domain.addresses import interface_address, ip_address, ip_network, next_free
from infraci.local.domain.neutron import ROUTER_INTERFACE, Neutron, invalid_input
from infraci.local.domain.records import FixedIp, Network, Port, Subnet
from infraci.local.domain.requests import AddressRequest
from infraci.local.domain.store import Store
from infraci.local.domain.subnets import Subnets, is_automatic
from infraci.local.errors import ConflictError, InvalidRequestError


class FixedAddresses(Neutron):
    """The addresses that ports have in the subnets of their networks."""

    def __init__(self, store: Store, subnets: Subnets) -> None:
        super().__init__(store)
        self._subnets = subnets

    def choose(self, port: Port, requests: Sequence[AddressRequest] | None) -> tuple[FixedIp, ...]:
        """Choose the addresses of a port, whose MAC address is known, anew.

        Without requests it has one IPv4 address and one of an IPv6 subnet with DHCP; an empty list
        is for none. In each subnet in which cards make their addresses themselves it has that one
        as well, unless it is a router's.
        """
        network = self.require(Network, port.network_id)
        subnets = self._subnets.of(network)
        chosen: list[FixedIp] = []
        taken = self._taken(port)
        if requests is None:
            given: Iterator[FixedIp] = self._one_of_each_version(network, subnets, taken)
        else:
            given = self._requested(port, subnets, requests, taken)
        for fixed in given:
            chosen.append(fixed)
            taken.add(fixed.ip_address)
        if requests != [] and requests != () and port.device_owner != ROUTER_INTERFACE:
            own = (
                FixedIp(subnet_id=s.id, ip_address=_own(port, s))
                for s in subnets
                if is_automatic(s)
            )
            chosen += [fixed for fixed in own if fixed not in chosen]
        return tuple(chosen)

    def _one_of_each_version(
        self, network: Network, subnets: Iterable[Subnet], taken: set[str]
    ) -> Iterator[FixedIp]:
        pooled = [subnet for subnet in subnets if not is_automatic(subnet)]
        for version in (4, 6):
            candidates = [subnet for subnet in pooled if subnet.ip_version == version]
            free = ((subnet, next_free(subnet.allocation_pools, taken)) for subnet in candidates)
            first = next(((subnet, address) for subnet, address in free if address), None)
            if first:
                yield FixedIp(subnet_id=first[0].id, ip_address=first[1])
            elif candidates:
                raise ConflictError(
                    f"No more IP addresses available on network {network.id}.",
                    neutron_type="IpAddressGenerationFailure",
                )

    def _requested(
        self,
        port: Port,
        subnets: Sequence[Subnet],
        requests: Iterable[AddressRequest],
        taken: set[str],
    ) -> Iterator[FixedIp]:
        is_routers = port.device_owner == ROUTER_INTERFACE
        for request in requests:
            subnet = _subnet_for(port.network_id, subnets, request)
            is_own = is_automatic(subnet) and not is_routers
            if is_own and request.ip_address not in (None, _own(port, subnet)):
                raise invalid_input(
                    f"IPv6 address {request.ip_address} cannot be directly assigned to a port on"
                    f" subnet {subnet.id} as the subnet is configured for automatic addresses",
                    "AllocationOnAutoAddressSubnet",
                )
            if not is_own:
                address = self._address(subnet, request, taken)
                yield FixedIp(subnet_id=subnet.id, ip_address=address)

    def _address(self, subnet: Subnet, request: AddressRequest, taken: set[str]) -> str:
        if request.ip_address is None:
            address = next_free(subnet.allocation_pools, taken)
            if address is None:
                raise ConflictError(
                    f"No more IP addresses available on network {subnet.network_id}.",
                    neutron_type="IpAddressGenerationFailure",
                )
            return address
        address = ip_address(request.ip_address, "fixed_ips")
        if address in taken:
            raise ConflictError(
                f"IP address {address} already allocated in subnet {subnet.id}",
                neutron_type="IpAddressAlreadyAllocated",
            )
        return address

    def _taken(self, port: Port) -> set[str]:
        others = self.store.find(
            Port, lambda other: other.network_id == port.network_id and other.id != port.id
        )
        return {fixed.ip_address for other in others for fixed in other.fixed_ips}


def _subnet_for(network_id: str, subnets: Sequence[Subnet], request: AddressRequest) -> Subnet:
    if not subnets:
        raise invalid_input("IP allocation requires subnets for network")
    if not request.subnet_id and not request.ip_address:
        raise invalid_input("IP allocation requires subnet_id or ip_address")
    if request.subnet_id:
        subnets = [subnet for subnet in subnets if subnet.id == request.subnet_id]
        if not subnets:
            raise invalid_input(
                f"Failed to create port on network {network_id}, because fixed_ips included"
                f" invalid subnet {request.subnet_id}"
            )
    if request.ip_address:
        address = ip_address(request.ip_address, "fixed_ips")
        fitting = [subnet for subnet in subnets if _has(subnet, address)]
        if not fitting:
            where, kind = "any of the subnets on the specified network", "InvalidIpForNetwork"
            if request.subnet_id:
                where, kind = "the specified subnet", "InvalidIpForSubnet"
            raise InvalidRequestError(
                f"IP address {address} is not a valid IP for {where}.", neutron_type=kind
            )
        return fitting[0]
    return subnets[0]


def _has(subnet: Subnet, address: str) -> bool:
    """Whether an address is one of a subnet's that a port may have."""
    cidr, value = ip_network(subnet.cidr), ipaddress.ip_address(address)
    if value not in cidr:
        return False
    return cidr.version == 6 or cidr.prefixlen >= 31 or value not in (cidr[0], cidr[-1])


def _own(port: Port, subnet: Subnet) -> str:
    return interface_address(subnet.cidr, port.mac_address)
