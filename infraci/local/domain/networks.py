"""Creates, changes and removes networks, subnets and ports by Neutron's rules.

The machine makes a network when a server or a router first needs it; before that it is a record.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from infraci.local.domain.addresses import default_pools, ipv4_network, new_mac, next_free
from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import (
    FIRST_ADDRESS,
    FixedIp,
    FloatingIp,
    Network,
    Port,
    Subnet,
)
from infraci.local.domain.requests import AddressRequest
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, ForbiddenError, InvalidRequestError
from infraci.local.host.port_filter import NetworkFilter

PUBLIC = "public"
PUBLIC_ID = "1f7ac100-0000-4000-8000-0000000000c1"
PUBLIC_SUBNET_ID = "1f7ac100-0000-4000-8000-0000000000c2"

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
#: Neutron guards no port whose owner begins so.
TRUSTED = "network:"


class RouterWiring(Protocol):
    """What the host does for a router; doing something twice is no error."""

    def add_leg(self, network_id: str, mac: str, address: str) -> None:
        """Connect the router to a network, at an address with its prefix length."""

    def remove_leg(self, network_id: str, address: str) -> None:
        """Disconnect the router from a network."""

    def set_gateway(self, address: str, *, snat: bool) -> None:
        """Connect the router to the external network, at an address of it."""

    def clear_gateway(self) -> None:
        """Disconnect the router from the external network."""

    def add_floating(self, floating: str, fixed: str) -> None:
        """Translate a floating IP to a fixed address behind the router."""

    def remove_floating(self, floating: str) -> None:
        """Stop translating a floating IP."""


class Wiring(Protocol):
    """What the host does for networks; making or removing something twice is no error."""

    def create_network(self, network_id: str) -> None:
        """Make a network."""

    def delete_network(self, network_id: str) -> None:
        """Remove a network."""

    def guard_network(self, network_id: str, network: NetworkFilter) -> bool:
        """Let pass in a network what these rules accept; False while it is not on the machine."""

    def create_router(self, router_id: str) -> None:
        """Make a router."""

    def delete_router(self, router_id: str) -> None:
        """Remove a router."""

    def router(self, router_id: str) -> RouterWiring:
        """A router, made or not."""


class Networks(Neutron):
    """Networks, subnets and ports, kept in the store and wired on the machine."""

    def __init__(
        self,
        store: Store,
        wiring: Wiring,
        *,
        public_cidr: str,
        groups: SecurityGroups | None = None,
    ) -> None:
        super().__init__(store)
        self._wiring = wiring
        self.groups = groups or SecurityGroups(store)
        self._add_public(ipv4_network(public_cidr))

    def _add_public(self, cidr: ipaddress.IPv4Network) -> None:
        gateway = str(cidr.network_address + 1)
        if self.store.get(Network, PUBLIC_ID) is None:
            self.store.put(
                Network(
                    id=PUBLIC_ID,
                    name=PUBLIC,
                    is_external=True,
                    is_default=True,
                    subnets=(PUBLIC_SUBNET_ID,),
                )
            )
        self.store.put(
            Subnet(
                id=PUBLIC_SUBNET_ID,
                network_id=PUBLIC_ID,
                name=PUBLIC,
                cidr=str(cidr),
                gateway_ip=gateway,
                enable_dhcp=False,
                allocation_pools=default_pools(cidr, gateway),
            )
        )

    # Networks and subnets

    def stand_up(self, ids: Iterable[str]) -> None:
        """Make networks on the machine, for what is to be plugged into them."""
        for id_ in dict.fromkeys(ids):
            self._wiring.create_network(id_)

    def create_network(self, network: Network) -> Network:
        """Add a network; nothing happens on the machine yet."""
        if network.is_external:
            raise ForbiddenError("The embedded cloud has one external network, 'public'.")
        return self.store.put(network)

    def delete_network(self, id_: str) -> None:
        """Remove a network that has no ports any more."""
        network = self.require(Network, id_)
        if id_ == PUBLIC_ID:
            raise ConflictError("The external network 'public' belongs to the cloud.")
        self.refuse_in_use(network, self.store.find(Port, lambda port: port.network_id == id_))
        for subnet in self._subnets_of(network):
            self.store.drop(subnet)
        self._wiring.delete_network(id_)
        self.store.drop(network)

    def create_subnet(self, subnet: Subnet) -> Subnet:
        """Add an IPv4 subnet to its network; chooses the gateway and the pools if left open."""
        with self.store.locked():
            network = self.require(Network, subnet.network_id)
            if subnet.ip_version != 4:
                raise InvalidRequestError("The embedded cloud has IPv4 networks only.")
            cidr = ipv4_network(subnet.cidr)
            for other in self._subnets_of(network):
                if cidr.overlaps(ipv4_network(other.cidr)):
                    raise InvalidRequestError(
                        f"Requested subnet with cidr: {cidr} for network: {network.id}"
                        f" overlaps with another subnet, {other.cidr}.",
                        neutron_type="InvalidInput",
                    )
            gateway = subnet.gateway_ip or None
            if gateway == FIRST_ADDRESS:
                gateway = str(cidr.network_address + 1)
            subnet = replace(
                subnet,
                cidr=str(cidr),
                gateway_ip=gateway,
                allocation_pools=subnet.allocation_pools or default_pools(cidr, gateway),
            )
            self.store.put(replace(network, subnets=(*network.subnets, subnet.id)))
            return self.store.put(subnet)

    def delete_subnet(self, id_: str) -> None:
        """Remove a subnet of which no port has an address."""
        with self.store.locked():
            subnet = self.require(Subnet, id_)
            users = self.store.find(Port, lambda port: address_in(port, id_) is not None)
            self.refuse_in_use(subnet, users)
            network = self.require(Network, subnet.network_id)
            left = tuple(each for each in network.subnets if each != id_)
            self.store.put(replace(network, subnets=left))
            self.store.drop(subnet)

    def _subnets_of(self, network: Network) -> list[Subnet]:
        return self.store.find(Subnet, lambda subnet: subnet.network_id == network.id)

    # Ports

    def create_port(
        self,
        port: Port,
        *,
        addresses: Sequence[AddressRequest] | None = None,
        group_ids: Sequence[str] | None = None,
        port_security: bool | None = None,
    ) -> Port:
        """Add a port, with the addresses that are asked for, or the next free one.

        Without ``port_security`` it has its network's. Without groups, a port that has it is in
        the default group. A router's and a floating IP's have none of it.
        """
        with self.store.locked():
            network = self.require(Network, port.network_id)
            fixed_ips = self._choose_addresses(network, addresses)
            if port_security is None:
                is_trusted = port.device_owner.startswith(TRUSTED)
                port_security = network.port_security_enabled and not is_trusted
            if group_ids is None:
                group_ids = [self.groups.default().id] if port_security else []
            port = replace(
                port,
                fixed_ips=fixed_ips,
                mac_address=port.mac_address or new_mac(),
                security_groups=tuple(group_ids),
                port_security_enabled=port_security,
            )
            return self.store.put(self._validated(port))

    def update_port(
        self,
        id_: str,
        change: Callable[[Port], Port],
        *,
        addresses: Sequence[AddressRequest] | None = None,
    ) -> Port:
        """Change a port; the card of a server that has it is not changed here."""
        with self.store.locked():
            port = self.require(Port, id_)
            if addresses is not None:
                network = self.require(Network, port.network_id)
                chosen = self._choose_addresses(network, addresses, except_port=id_)
                port = replace(port, fixed_ips=chosen)
            changed = change(port)
            if (
                changed.security_groups
                and changed.security_groups == port.security_groups
                and not changed.port_security_enabled
            ):
                raise ConflictError(
                    "Port has security group associated. Cannot disable port security or IP"
                    " address until security group is removed.",
                    neutron_type="PortSecurityPortHasSecurityGroup",
                )
            return self.store.put(self._validated(changed))

    def _validated(self, port: Port) -> Port:
        """The port, its allowed address pairs complete. Raises RequestError as Neutron does."""
        pairs = tuple(
            replace(pair, mac_address=pair.mac_address or port.mac_address)
            for pair in port.allowed_address_pairs
        )
        for pair in pairs:
            try:
                ipaddress.ip_network(pair.ip_address, strict=False)
            except ValueError:
                raise InvalidRequestError(
                    f"'{pair.ip_address}' is not a valid IP address.", neutron_type="HTTPBadRequest"
                ) from None
        if len(set(pairs)) < len(pairs):
            raise InvalidRequestError(
                "Request contains duplicate address pair.",
                neutron_type="DuplicateAddressPairInRequest",
            )
        port = replace(port, allowed_address_pairs=pairs)
        self.groups.validate_port(port)
        return port

    def delete_port(self, id_: str) -> None:
        """Remove a port, and take it from its floating IP."""
        port = self.require(Port, id_)
        if port.device_owner in (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP):
            raise ConflictError(
                f"Port {id_} belongs to {port.device_owner}.", neutron_type="PortInUse"
            )
        self.release(port)

    def release(self, port: Port) -> None:
        """Remove a port, also a router's, and take it from its floating IP."""
        for floating in self.store.find(FloatingIp, lambda floating: floating.port_id == port.id):
            self.dissociate(floating)
        self.store.drop(port)

    def dissociate(self, floating: FloatingIp) -> FloatingIp:
        """Take a floating IP from its port, if it is on one."""
        if floating.router_id:
            self._wiring.router(floating.router_id).remove_floating(floating.floating_ip_address)
        changed = self.store.change(
            FloatingIp,
            floating.id,
            lambda floating: replace(
                floating, port_id=None, fixed_ip_address=None, router_id=None, status="DOWN"
            ),
        )
        return changed or floating

    def _choose_addresses(
        self,
        network: Network,
        requests: Sequence[AddressRequest] | None,
        *,
        except_port: str | None = None,
    ) -> tuple[FixedIp, ...]:
        if requests is None:
            requests = [AddressRequest(subnet_id=id_) for id_ in network.subnets[:1]]
        chosen: list[FixedIp] = []
        for request in requests:
            taken = self._taken(network, except_port) | {fixed.ip_address for fixed in chosen}
            chosen.append(self._choose_address(network, request, taken))
        return tuple(chosen)

    def _choose_address(
        self, network: Network, request: AddressRequest, taken: set[str | None]
    ) -> FixedIp:
        subnet = self._subnet_for(network, request)
        address = request.ip_address or next_free(subnet.allocation_pools, taken)
        if address is None:
            raise ConflictError(
                f"No more IP addresses available on network {network.id}.",
                neutron_type="IpAddressGenerationFailure",
            )
        if address in taken:
            raise ConflictError(
                f"IP address {address} already allocated in subnet {subnet.id}.",
                neutron_type="IpAddressAlreadyAllocated",
            )
        return FixedIp(subnet_id=subnet.id, ip_address=address)

    def _subnet_for(self, network: Network, request: AddressRequest) -> Subnet:
        subnets = self._subnets_of(network)
        if request.subnet_id:
            subnets = [subnet for subnet in subnets if subnet.id == request.subnet_id]
        if request.ip_address:
            address = ipaddress.ip_address(request.ip_address)
            subnets = [subnet for subnet in subnets if address in ipv4_network(subnet.cidr)]
        if not subnets:
            raise InvalidRequestError(
                f"IP address {request.ip_address} is not a valid IP for any of the subnets"
                f" on network {network.name}."
                if request.ip_address
                else f"Network {network.name} has no such subnet to take an address of.",
                neutron_type="InvalidIpForNetwork",
            )
        return subnets[0]

    def _taken(self, network: Network, except_port: str | None = None) -> set[str | None]:
        taken: set[str | None] = {
            fixed.ip_address
            for port in self.store.find(Port, lambda port: port.network_id == network.id)
            if port.id != except_port
            for fixed in port.fixed_ips
        }
        return taken | {subnet.gateway_ip for subnet in self._subnets_of(network)}


def address_in(port: Port, subnet_id: str | None) -> str | None:
    """The address that a port has in a subnet, None if it has none."""
    for fixed in port.fixed_ips:
        if fixed.subnet_id == subnet_id:
            return fixed.ip_address
    return None
