"""Creates, changes and removes networks and ports by Neutron's rules.

The machine makes a network when a server or a router first needs it; before that it is a record.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from infraci.local.domain.addresses import (
    IpNetwork,
    default_pools,
    interface_address,
    ip_network,
    new_mac,
)
from infraci.local.domain.fixed_addresses import FixedAddresses
from infraci.local.domain.neutron import (
    FLOATING_IP,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    TRUSTED,
    Neutron,
    invalid_input,
)
from infraci.local.domain.records import (
    FixedIp,
    FloatingIp,
    Network,
    Port,
    Subnet,
)
from infraci.local.domain.requests import AddressRequest
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Store
from infraci.local.domain.subnets import Subnets
from infraci.local.errors import ConflictError, ForbiddenError, InvalidRequestError
from infraci.local.host.port_filter import NetworkFilter

PUBLIC = "public"
PUBLIC_ID = "1f7ac100-0000-4000-8000-0000000000c1"
PUBLIC_SUBNET_ID = "1f7ac100-0000-4000-8000-0000000000c2"


class RouterWiring(Protocol):
    """What the host does for a router; doing something twice is no error."""

    def add_leg(self, network_id: str, mac: str, *addresses: str, mtu: int) -> None:
        """Connect the router to a network, at addresses with their prefix lengths."""

    def remove_leg(self, network_id: str, address: str) -> None:
        """Disconnect the router from a network, in which that is its first address."""

    def set_routes(self, routes: Mapping[str, Sequence[str]]) -> None:
        """Have the router send what is for these networks by these addresses."""

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
    """Networks and ports, kept in the store and wired on the machine."""

    def __init__(
        self,
        store: Store,
        wiring: Wiring,
        *,
        public_cidr: str,
        groups: SecurityGroups | None = None,
        mtu: int = 1400,
    ) -> None:
        """``mtu`` is the largest that a network can have, and what it has by default."""
        super().__init__(store)
        self._wiring = wiring
        self._mtu = mtu
        self.groups = groups or SecurityGroups(store)
        self.subnets = Subnets(store)
        self._addresses = FixedAddresses(store, self.subnets)
        self._add_public(ip_network(public_cidr))

    def _add_public(self, cidr: IpNetwork) -> None:
        gateway = str(cidr.network_address + 1)
        if self.store.get(Network, PUBLIC_ID) is None:
            self.store.put(
                Network(
                    id=PUBLIC_ID,
                    name=PUBLIC,
                    is_external=True,
                    is_default=True,
                    subnets=(PUBLIC_SUBNET_ID,),
                    mtu=self._mtu,
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

    # Networks

    def stand_up(self, ids: Iterable[str]) -> None:
        """Make networks on the machine, for what is to be plugged into them."""
        for id_ in dict.fromkeys(ids):
            self._wiring.create_network(id_)

    def create_network(self, network: Network) -> Network:
        """Add a network; nothing happens on the machine yet."""
        if network.is_external:
            raise ForbiddenError("The embedded cloud has one external network, 'public'.")
        return self.store.put(self._with_mtu(network))

    def update_network(self, id_: str, **values: Any) -> Network:
        """Change a network; the cards of servers that run keep their MTU."""
        with self.store.locked():
            network = self.require(Network, id_)
            return self.store.put(self._with_mtu(replace(network, **values)))

    def _with_mtu(self, network: Network) -> Network:
        if network.mtu > self._mtu:
            raise invalid_input(f"Requested MTU is too big, maximum is {self._mtu}")
        return replace(network, mtu=network.mtu or self._mtu)

    def delete_network(self, id_: str) -> None:
        """Remove a network that has no ports any more."""
        network = self.require(Network, id_)
        if id_ == PUBLIC_ID:
            raise ConflictError("The external network 'public' belongs to the cloud.")
        self.refuse_in_use(network, self.store.find(Port, lambda port: port.network_id == id_))
        for subnet in self.subnets.of(network):
            self.store.drop(subnet)
        self._wiring.delete_network(id_)
        self.store.drop(network)

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
            port = replace(port, mac_address=port.mac_address or new_mac())
            fixed_ips = self._addresses.choose(port, addresses)
            if port_security is None:
                is_trusted = port.device_owner.startswith(TRUSTED)
                port_security = network.port_security_enabled and not is_trusted
            if group_ids is None:
                group_ids = [self.groups.default().id] if port_security else []
            port = replace(
                port,
                fixed_ips=fixed_ips,
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
            changed = change(port)
            if addresses is not None:
                chosen = self._addresses.choose(changed, addresses)
                changed = replace(changed, fixed_ips=chosen)
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

    def add_own_address(self, port_id: str, subnet: Subnet) -> Port:
        """Add to a port the address that its card makes itself in a subnet that is new."""
        port = self.require(Port, port_id)
        own = FixedIp(
            subnet_id=subnet.id, ip_address=interface_address(subnet.cidr, port.mac_address)
        )
        changed = self.store.change(
            Port, port_id, lambda port: replace(port, fixed_ips=(*port.fixed_ips, own))
        )
        return changed or port


def address_in(port: Port, subnet_id: str | None) -> str | None:
    """The address that a port has in a subnet, None if it has none."""
    for fixed in port.fixed_ips:
        if fixed.subnet_id == subnet_id:
            return fixed.ip_address
    return None
