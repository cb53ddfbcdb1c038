"""Creates, changes and removes routers and floating IPs by Neutron's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import product

from infraci.local.domain.addresses import ipv4_network, new_mac
from infraci.local.domain.networks import (
    FLOATING_IP,
    PUBLIC_ID,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Networks,
    Wiring,
    address_in,
)
from infraci.local.domain.neutron import Neutron
from infraci.local.domain.records import (
    FixedIp,
    FloatingIp,
    Gateway,
    Network,
    Port,
    Router,
    Subnet,
)
from infraci.local.domain.requests import AddressRequest, GatewayRequest
from infraci.local.domain.store import Store
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError


class Routers(Neutron):
    """Routers and floating IPs, kept in the store and wired on the machine."""

    def __init__(self, store: Store, networks: Networks, wiring: Wiring) -> None:
        super().__init__(store)
        self._networks = networks
        self._wiring = wiring

    def create_router(self, router: Router, gateway: GatewayRequest | None = None) -> Router:
        """Add a router, on the machine too."""
        self.store.put(router)
        with _or_undo(lambda: self._forget(router)):
            self._wiring.create_router(router.id)
            return self.set_gateway(router.id, gateway) if gateway else router

    def _forget(self, router: Router) -> None:
        for port in self.store.find(Port, lambda port: port.device_id == router.id):
            self.store.drop(port)
        self.store.drop(router)
        self._wiring.delete_router(router.id)

    def set_gateway(self, id_: str, request: GatewayRequest | None) -> Router:
        """Connect a router to the external network, or to none."""
        router = self.require(Router, id_)
        for port in self._ports_of(id_, ROUTER_GATEWAY):
            self._wiring.router(id_).clear_gateway()
            self.store.drop(port)
        gateway = self._gateway(id_, request) if request else None
        changed = self.store.change(
            Router, id_, lambda router: replace(router, external_gateway_info=gateway)
        )
        return changed or router

    def _gateway(self, router_id: str, request: GatewayRequest) -> Gateway:
        network = self._external_network(request.network_id)
        port = self._networks.create_port(
            Port(network_id=network.id, device_id=router_id, device_owner=ROUTER_GATEWAY),
            addresses=request.addresses,
        )
        self._wiring.router(router_id).set_gateway(
            port.fixed_ips[0].ip_address, snat=request.enable_snat
        )
        return Gateway(
            network_id=network.id,
            enable_snat=request.enable_snat,
            external_fixed_ips=port.fixed_ips,
        )

    def _external_network(self, id_: str) -> Network:
        network = self.require(Network, id_)
        if not network.is_external:
            raise InvalidRequestError(f"Network {network.id} is not an external network.")
        return network

    def _ports_of(self, device_id: str, owner: str) -> list[Port]:
        return self.store.find(
            Port, lambda port: port.device_id == device_id and port.device_owner == owner
        )

    def delete_router(self, id_: str) -> None:
        """Remove a router that has no interfaces any more."""
        router = self.require(Router, id_)
        self.refuse_in_use(router, self._ports_of(id_, ROUTER_INTERFACE))
        self.set_gateway(id_, None)
        self._wiring.delete_router(id_)
        self.store.drop(router)

    def add_subnet(self, router_id: str, subnet_id: str) -> Port:
        """Give a router an interface in a subnet, at its gateway address."""
        self.require(Router, router_id)
        subnet = self.require(Subnet, subnet_id)
        self._refuse_overlap(router_id, [subnet.id])
        leg = self.store.put(self._gateway_port(router_id, subnet))
        with _or_undo(lambda: self.store.drop(leg)):
            self._join(router_id, leg)
        return leg

    def add_port(self, router_id: str, port_id: str) -> Port:
        """Give a router a port that there is as an interface."""
        self.require(Router, router_id)
        with self.store.locked():
            port = self.require(Port, port_id)
            if port.device_id:
                raise ConflictError(f"Port {port.id} is in use.", neutron_type="PortInUse")
            self._refuse_overlap(router_id, [fixed.subnet_id for fixed in port.fixed_ips])
            leg = self.store.put(
                replace(port, device_id=router_id, device_owner=ROUTER_INTERFACE, status="ACTIVE")
            )
        with _or_undo(lambda: self.store.put(port)):
            self._join(router_id, leg)
        return leg

    def _refuse_overlap(self, router_id: str, subnet_ids: Iterable[str]) -> None:
        """Raise InvalidRequestError when the router has a subnet that overlaps one of these."""
        ports = self.store.find(Port, lambda port: port.device_id == router_id)
        present = {fixed.subnet_id for port in ports for fixed in port.fixed_ips}
        for new, old in product(subnet_ids, sorted(present)):
            old_cidr, new_cidr = self.require(Subnet, old).cidr, self.require(Subnet, new).cidr
            if new != old and ipv4_network(new_cidr).overlaps(ipv4_network(old_cidr)):
                raise InvalidRequestError(
                    f"Bad router request: Cidr {new_cidr} of subnet {new} overlaps with"
                    f" cidr {old_cidr} of subnet {old}.",
                    neutron_type="BadRequest",
                )

    def _gateway_port(self, router_id: str, subnet: Subnet) -> Port:
        address = subnet.gateway_ip
        if address is None:
            raise InvalidRequestError(
                f"Subnet for router interface must have a gateway IP: {subnet.id}."
            )
        ports = self.store.find(Port, lambda port: port.network_id == subnet.network_id)
        if any(fixed.ip_address == address for port in ports for fixed in port.fixed_ips):
            raise InvalidRequestError(
                f"Subnet {subnet.id} has its gateway {address} already.",
                neutron_type="BadRequest",
            )
        return Port(
            network_id=subnet.network_id,
            fixed_ips=(FixedIp(subnet_id=subnet.id, ip_address=address),),
            mac_address=new_mac(),
            device_id=router_id,
            device_owner=ROUTER_INTERFACE,
            status="ACTIVE",
        )

    def remove_interface(
        self, router_id: str, *, subnet_id: str | None = None, port_id: str | None = None
    ) -> Port:
        """Remove a router's interface, known by its subnet or its port; returns what it was."""
        self.require(Router, router_id)
        for port in self._ports_of(router_id, ROUTER_INTERFACE):
            if port.id == port_id or address_in(port, subnet_id):
                self._refuse_floating(router_id, port)
                self._wiring.router(router_id).remove_leg(
                    port.network_id, self._with_prefix(port.fixed_ips[0])
                )
                self._networks.release(port)
                return port
        raise NotFoundError.of("RouterInterface", str(subnet_id or port_id))

    def _refuse_floating(self, router_id: str, leg: Port) -> None:
        for floating in self._floating_of(router_id):
            port = self.store.get(Port, floating.port_id or "")
            if port and port.network_id == leg.network_id:
                raise ConflictError(
                    f"Router interface for subnet cannot be deleted, as it is required by"
                    f" floating IP {floating.floating_ip_address}.",
                    neutron_type="RouterInterfaceInUseByFloatingIP",
                )

    def _floating_of(self, router_id: str) -> list[FloatingIp]:
        return self.store.find(FloatingIp, lambda floating: floating.router_id == router_id)

    # Floating IPs

    def create_floating(self, floating: FloatingIp) -> FloatingIp:
        """Add a floating IP of the external network, on its port if it has one."""
        network = self._external_network(floating.floating_network_id)
        addresses = None
        if floating.floating_ip_address:
            addresses = [AddressRequest(ip_address=floating.floating_ip_address)]
        port = self._networks.create_port(
            Port(network_id=network.id, device_id=floating.id, device_owner=FLOATING_IP),
            addresses=addresses,
        )
        free = self.store.put(
            replace(
                floating,
                floating_ip_address=port.fixed_ips[0].ip_address,
                port_id=None,
                fixed_ip_address=None,
            )
        )
        if not floating.port_id:
            return free
        with _or_undo(lambda: self.delete_floating(floating.id)):
            return self.associate(floating.id, floating.port_id, floating.fixed_ip_address)

    def associate(self, id_: str, port_id: str | None, fixed: str | None = None) -> FloatingIp:
        """Put a floating IP on a port, or on none."""
        floating = self._networks.dissociate(self.require(FloatingIp, id_))
        if not port_id:
            return floating
        port = self.require(Port, port_id)
        fixed = fixed or port.fixed_ips[0].ip_address
        router_id = self._router_to(port)
        self._wiring.router(router_id).add_floating(floating.floating_ip_address, fixed)
        changed = self.store.change(
            FloatingIp,
            id_,
            lambda floating: replace(
                floating,
                port_id=port_id,
                fixed_ip_address=fixed,
                router_id=router_id,
                status="ACTIVE",
            ),
        )
        return changed or floating

    def delete_floating(self, id_: str) -> None:
        """Give a floating IP back."""
        floating = self.associate(id_, None)
        for port in self._ports_of(id_, FLOATING_IP):
            self.store.drop(port)
        self.store.drop(floating)

    def restore(self) -> None:
        """Make the routers on the machine again: it may have been rebooted."""
        for router in self.store.find(Router):
            self._wiring.create_router(router.id)
            for leg in self._ports_of(router.id, ROUTER_INTERFACE):
                self._join(router.id, leg)
            gateway = router.external_gateway_info
            if gateway:
                address = gateway.external_fixed_ips[0].ip_address
                self._wiring.router(router.id).set_gateway(address, snat=gateway.enable_snat)
            for floating in self._floating_of(router.id):
                self._wiring.router(router.id).add_floating(
                    floating.floating_ip_address, str(floating.fixed_ip_address)
                )

    def _join(self, router_id: str, leg: Port) -> None:
        self._wiring.create_network(leg.network_id)
        self._wiring.router(router_id).add_leg(
            leg.network_id, leg.mac_address, self._with_prefix(leg.fixed_ips[0])
        )

    def _router_to(self, port: Port) -> str:
        """The id of the router by which the external network reaches a port."""
        legs = self.store.find(
            Port,
            lambda leg: leg.network_id == port.network_id and leg.device_owner == ROUTER_INTERFACE,
        )
        for leg in legs:
            router = self.store.get(Router, leg.device_id)
            if router and router.external_gateway_info:
                return router.id
        raise NotFoundError(
            f"External network {PUBLIC_ID} is not reachable from subnet"
            f" {port.fixed_ips[0].subnet_id}. Therefore, cannot associate Port"
            f" {port.id} with a Floating IP.",
            neutron_type="ExternalGatewayForFloatingIPNotFound",
        )

    def _with_prefix(self, fixed: FixedIp) -> str:
        subnet = self.require(Subnet, fixed.subnet_id)
        return f"{fixed.ip_address}/{ipv4_network(subnet.cidr).prefixlen}"


@contextmanager
def _or_undo(undo: Callable[[], object]) -> Iterator[None]:
    """Leave nothing of what failed half-way: its client never learns its id."""
    try:
        yield
    except Exception:
        with suppress(Exception):
            undo()
        raise
