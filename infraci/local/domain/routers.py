"""Creates, changes and removes routers and floating IPs by Neutron's rules.

Source: neutron/db/l3_db.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import product

from infraci.local.domain.addresses import ip_network, with_prefix
from infraci.local.domain.extra_routes import ExtraRoutes
from infraci.local.domain.networks import PUBLIC_ID, Networks, Wiring, address_in
from infraci.local.domain.neutron import (
    FLOATING_IP,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
    Neutron,
    bad_request,
)
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
from infraci.local.errors import ConflictError, NotFoundError


class Routers(Neutron):
    """Routers and floating IPs, kept in the store and wired on the machine."""

    def __init__(self, store: Store, networks: Networks, wiring: Wiring) -> None:
        super().__init__(store)
        self._networks = networks
        self._wiring = wiring
        self.routes = ExtraRoutes(store, wiring)

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
        changed = changed or router
        self.routes.put_into_effect(changed)
        return changed

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
            raise bad_request("router", f"Network {network.id} is not an external network")
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
        """Give a router an interface in a subnet, at its gateway address.

        An IPv6 subnet joins the interface in its network that has others, as in Neutron.
        """
        self.require(Router, router_id)
        subnet = self.require(Subnet, subnet_id)
        if subnet.gateway_ip is None:
            raise bad_request("router", "Subnet for router interface must have a gateway IP")
        self._validate_modes(subnet)
        self._refuse_overlap(router_id, [subnet.id])
        fixed = FixedIp(subnet_id=subnet.id, ip_address=subnet.gateway_ip)
        for leg in self._ipv6_legs(router_id, subnet):
            return self._readdress(leg, (*leg.fixed_ips, fixed))
        leg = self._networks.create_port(
            Port(
                network_id=subnet.network_id,
                device_id=router_id,
                device_owner=ROUTER_INTERFACE,
                status="ACTIVE",
            ),
            addresses=[AddressRequest(subnet_id=subnet.id, ip_address=subnet.gateway_ip)],
        )
        with _or_undo(lambda: self.store.drop(leg)):
            self._join(router_id, leg)
        return leg

    def _ipv6_legs(self, router_id: str, subnet: Subnet) -> list[Port]:
        """A router's interfaces with IPv6 in the network of an IPv6 subnet: one at most."""
        if subnet.ip_version == 4:
            return []
        legs = self._ports_of(router_id, ROUTER_INTERFACE)
        return [leg for leg in legs if leg.network_id == subnet.network_id and _has_ipv6(leg)]

    def _readdress(self, leg: Port, fixed_ips: tuple[FixedIp, ...]) -> Port:
        """Give a router's interface other addresses."""
        changed = self.store.put(replace(leg, fixed_ips=fixed_ips))
        with _or_undo(lambda: self.store.put(leg)):
            self._leave(leg)
            self._join(leg.device_id, changed)
        return changed

    def _validate_modes(self, subnet: Subnet) -> None:
        """Refuse an IPv6 subnet whose addresses another router than Neutron's advertises."""
        if subnet.ip_version == 6 and subnet.ipv6_address_mode and not subnet.ipv6_ra_mode:
            raise bad_request(
                "router",
                f"IPv6 subnet {subnet.id} configured to receive RAs from an external router"
                " cannot be added to Neutron Router",
            )

    def add_port(self, router_id: str, port_id: str) -> Port:
        """Give a router a port that there is as an interface."""
        self.require(Router, router_id)
        with self.store.locked():
            port = self.require(Port, port_id)
            if port.device_id:
                raise ConflictError(f"Port {port.id} is in use.", neutron_type="PortInUse")
            self._validate_leg(router_id, port)
            leg = self.store.put(
                replace(port, device_id=router_id, device_owner=ROUTER_INTERFACE, status="ACTIVE")
            )
        with _or_undo(lambda: self.store.put(port)):
            self._join(router_id, leg)
        return leg

    def _validate_leg(self, router_id: str, port: Port) -> None:
        """Raise RequestError when a router cannot have a port as an interface."""
        if not port.fixed_ips:
            raise bad_request("router", "Router port must have at least one fixed IP")
        subnets = [self.require(Subnet, fixed.subnet_id) for fixed in port.fixed_ips]
        for subnet in subnets:
            self._validate_modes(subnet)
            for leg in self._ipv6_legs(router_id, subnet):
                raise bad_request(
                    "router",
                    "Cannot have multiple router ports with the same network id if both contain"
                    f" IPv6 subnets. Existing port {leg.id} has IPv6 subnet(s) and network id"
                    f" {leg.network_id}",
                )
        self._refuse_overlap(router_id, [subnet.id for subnet in subnets])
        if len([subnet for subnet in subnets if subnet.ip_version == 4]) > 1:
            raise bad_request("router", "Cannot have multiple IPv4 subnets on router port")

    def _refuse_overlap(self, router_id: str, subnet_ids: Iterable[str]) -> None:
        """Raise InvalidRequestError when the router has a subnet that overlaps one of these."""
        ports = self.store.find(Port, lambda port: port.device_id == router_id)
        present = {fixed.subnet_id for port in ports for fixed in port.fixed_ips}
        for new, old in product(subnet_ids, sorted(present)):
            if new == old:
                raise bad_request("router", f"Router already has a port on subnet {new}")
            old_cidr, new_cidr = self.require(Subnet, old).cidr, self.require(Subnet, new).cidr
            if ip_network(new_cidr).overlaps(ip_network(old_cidr)):
                raise bad_request(
                    "router",
                    f"Cidr {new_cidr} of subnet {new} overlaps with cidr {old_cidr} of subnet"
                    f" {old}",
                )

    def remove_interface(
        self, router_id: str, *, subnet_id: str | None = None, port_id: str | None = None
    ) -> Port:
        """Remove a router's interface, known by its subnet or its port; returns what it was."""
        self.require(Router, router_id)
        for port in self._ports_of(router_id, ROUTER_INTERFACE):
            if port.id == port_id or address_in(port, subnet_id):
                self._refuse_floating(router_id, port)
                self.routes.refuse_needed(router_id, port, subnet_id)
                others = tuple(f for f in port.fixed_ips if f.subnet_id != subnet_id)
                if subnet_id and others:
                    self._readdress(port, others)
                    return replace(
                        port, fixed_ips=tuple(f for f in port.fixed_ips if f not in others)
                    )
                self._leave(port)
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
        fixed = fixed or _only_ipv4(port)
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
            self.routes.put_into_effect(router)
            for floating in self._floating_of(router.id):
                self._wiring.router(router.id).add_floating(
                    floating.floating_ip_address, str(floating.fixed_ip_address)
                )

    def _join(self, router_id: str, leg: Port) -> None:
        self._wiring.create_network(leg.network_id)
        self._wiring.router(router_id).add_leg(
            leg.network_id,
            leg.mac_address,
            *map(self._with_prefix, leg.fixed_ips),
            mtu=self.require(Network, leg.network_id).mtu,
        )

    def _leave(self, leg: Port) -> None:
        first = self._with_prefix(leg.fixed_ips[0])
        self._wiring.router(leg.device_id).remove_leg(leg.network_id, first)

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
        return with_prefix(fixed.ip_address, self.require(Subnet, fixed.subnet_id).cidr)


@contextmanager
def _or_undo(undo: Callable[[], object]) -> Iterator[None]:
    """Leave nothing of what failed half-way: its client never learns its id."""
    try:
        yield
    except Exception:
        with suppress(Exception):
            undo()
        raise


def _has_ipv6(port: Port) -> bool:
    return any(":" in fixed.ip_address for fixed in port.fixed_ips)


def _only_ipv4(port: Port) -> str:
    """The one IPv4 address of a port. Raises InvalidRequestError for none or several."""
    addresses = [fixed.ip_address for fixed in port.fixed_ips if "." in fixed.ip_address]
    if not addresses:
        raise bad_request(
            "floatingip",
            f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses",
        )
    if len(addresses) > 1:
        raise bad_request(
            "floatingip",
            f"Port {port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4"
            " address when assigning a floating IP",
        )
    return addresses[0]
