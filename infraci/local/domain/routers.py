"""Routers and floating IPs, with Neutron's rules for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
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
from infraci.local.domain.neutron import Neutron, floating_defaults, port_defaults, router_defaults
from infraci.local.domain.store import Document, Store, new_id
from infraci.local.errors import ConflictError, InvalidRequestError, NotFoundError


class Routers(Neutron):
    """Routers and floating IPs, kept in the store and wired on the machine."""

    def __init__(self, store: Store, networks: Networks, wiring: Wiring) -> None:
        super().__init__(store)
        self._networks = networks
        self._wiring = wiring

    def create_router(self, wish: Document) -> Document:
        """A new router, on the machine too."""
        gateway = wish.get("external_gateway_info")
        document = {**router_defaults(new_id()), **wish, "external_gateway_info": None}
        self.store.put("router", document)
        with _or_undo(lambda: self._forget(document["id"])):
            self._wiring.create_router(document["id"])
            return self.set_gateway(document["id"], gateway) if gateway else document

    def _forget(self, id_: str) -> None:
        for port in self.store.find("port", device_id=id_):
            self.store.drop("port", port["id"])
        self.store.drop("router", id_)
        self._wiring.delete_router(id_)

    def update_router(self, id_: str, changes: Document) -> Document:
        """Change a router, its gateway too."""
        router = self.require("router", id_)
        if "external_gateway_info" in changes:
            router = self.set_gateway(id_, changes.pop("external_gateway_info"))
        return self.store.change("router", id_, changes) or router

    def set_gateway(self, id_: str, wish: Document | None) -> Document:
        """Lead a router to the external network, or nowhere."""
        router = self.require("router", id_)
        for port in self.store.find("port", device_id=id_, device_owner=ROUTER_GATEWAY):
            self._wiring.clear_router_gateway(id_)
            self.store.drop("port", port["id"])
        info = None
        if wish and wish.get("network_id"):
            network = self.require("network", wish["network_id"])
            if not network["router:external"]:
                raise InvalidRequestError(f"Network {network['id']} is not an external network.")
            port = self._networks.create_port(
                {
                    "network_id": network["id"],
                    "fixed_ips": wish.get("external_fixed_ips"),
                    "device_id": id_,
                    "device_owner": ROUTER_GATEWAY,
                }
            )
            snat = wish.get("enable_snat", True)
            self._wiring.set_router_gateway(id_, port["fixed_ips"][0]["ip_address"], snat=snat)
            info = {
                "network_id": network["id"],
                "enable_snat": snat,
                "external_fixed_ips": port["fixed_ips"],
            }
        return self.store.change("router", id_, {"external_gateway_info": info}) or router

    def delete_router(self, id_: str) -> None:
        """Remove a router that has no interfaces any more."""
        self.require("router", id_)
        legs = self.store.find("port", device_id=id_, device_owner=ROUTER_INTERFACE)
        self.refuse_in_use("Router", id_, legs)
        self.set_gateway(id_, None)
        self._wiring.delete_router(id_)
        self.store.drop("router", id_)

    def add_interface(self, router_id: str, wish: Document) -> Document:
        """Give a router a leg in a subnet, at its gateway address, or by a port."""
        self.require("router", router_id)
        before = None
        if wish.get("port_id"):
            before = port = self.require("port", wish["port_id"])
            if port["device_id"]:
                raise ConflictError(f"Port {port['id']} is in use.", neutron_type="PortInUse")
            self._refuse_overlap(router_id, [fixed["subnet_id"] for fixed in port["fixed_ips"]])
        else:
            subnet = self.require("subnet", str(wish.get("subnet_id")))
            self._refuse_overlap(router_id, [subnet["id"]])
            port = self._gateway_port(router_id, subnet)
        leg = {"device_id": router_id, "device_owner": ROUTER_INTERFACE, "status": "ACTIVE"}
        port = self.store.change("port", port["id"], leg) or port
        with _or_undo(lambda: self.store.put("port", before) if before else self._drop(port)):
            self._join(router_id, port)
        return self._interface(router_id, port)

    def _refuse_overlap(self, router_id: str, subnet_ids: Iterable[str]) -> None:
        """Raise the API's error when the router has a subnet that overlaps one of these."""
        ports = self.store.find("port", device_id=router_id)
        present = {fixed["subnet_id"] for port in ports for fixed in port["fixed_ips"]}
        for new, old in product(subnet_ids, sorted(present)):
            theirs, ours = self.require("subnet", old)["cidr"], self.require("subnet", new)["cidr"]
            if new != old and ipv4_network(ours).overlaps(ipv4_network(theirs)):
                raise InvalidRequestError(
                    f"Bad router request: Cidr {ours} of subnet {new} overlaps with cidr {theirs} "
                    f"of subnet {old}.",
                    neutron_type="BadRequest",
                )

    def _drop(self, port: Document) -> None:
        self.store.drop("port", port["id"])

    def _gateway_port(self, router_id: str, subnet: Document) -> Document:
        address = subnet["gateway_ip"]
        if address is None:
            raise InvalidRequestError(
                f"Subnet for router interface must have a gateway IP: {subnet}."
            )
        users = self.store.find("port", network_id=subnet["network_id"])
        if any(f["ip_address"] == address for port in users for f in port["fixed_ips"]):
            raise InvalidRequestError(
                f"Subnet {subnet['id']} has its gateway {address} already.",
                neutron_type="BadRequest",
            )
        document = {
            **port_defaults(new_id(), subnet["network_id"]),
            "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": address}],
            "mac_address": new_mac(),
            "device_id": router_id,
            "device_owner": ROUTER_INTERFACE,
        }
        return self.store.put("port", document)

    def remove_interface(self, router_id: str, wish: Document) -> Document:
        """Take a router's leg out of a subnet."""
        self.require("router", router_id)
        legs = self.store.find("port", device_id=router_id, device_owner=ROUTER_INTERFACE)
        for port in legs:
            if port["id"] == wish.get("port_id") or address_in(port, wish.get("subnet_id")):
                self._refuse_floating(router_id, port)
                self._wiring.remove_router_leg(
                    router_id, port["network_id"], self._with_prefix(port["fixed_ips"][0])
                )
                self._networks.release(port)
                return self._interface(router_id, port)
        raise NotFoundError.of("RouterInterface", str(wish.get("subnet_id") or wish.get("port_id")))

    def _refuse_floating(self, router_id: str, leg: Document) -> None:
        for floating in self.store.find("floatingip", router_id=router_id):
            port = self.store.get("port", floating["port_id"] or "")
            if port and port["network_id"] == leg["network_id"]:
                raise ConflictError(
                    f"Router interface for subnet cannot be deleted, as it is required by"
                    f" floating IP {floating['floating_ip_address']}.",
                    neutron_type="RouterInterfaceInUseByFloatingIP",
                )

    def _interface(self, router_id: str, port: Document) -> Document:
        subnet_id = port["fixed_ips"][0]["subnet_id"]
        return {
            "id": router_id,
            "network_id": port["network_id"],
            "port_id": port["id"],
            "subnet_id": subnet_id,
            "subnet_ids": [subnet_id],
        }

    # Floating IPs

    def create_floating(self, wish: Document) -> Document:
        """A floating IP from the external network, on a port if one is given."""
        network = self.require("network", str(wish.get("floating_network_id")))
        if not network["router:external"]:
            raise InvalidRequestError(f"Network {network['id']} is not an external network.")
        id_ = new_id()
        fixed_ips = None
        if wish.get("floating_ip_address"):
            fixed_ips = [{"ip_address": wish["floating_ip_address"]}]
        port = self._networks.create_port(
            {
                "network_id": network["id"],
                "fixed_ips": fixed_ips,
                "device_id": id_,
                "device_owner": FLOATING_IP,
            }
        )
        document = {**floating_defaults(id_), **wish}
        document |= {
            "port_id": None,
            "fixed_ip_address": None,
            "floating_ip_address": port["fixed_ips"][0]["ip_address"],
        }
        self.store.put("floatingip", document)
        if wish.get("port_id"):
            with _or_undo(lambda: self.delete_floating(id_)):
                return self.associate(id_, wish["port_id"], wish.get("fixed_ip_address"))
        return document

    def associate(self, id_: str, port_id: str | None, fixed: str | None) -> Document:
        """Put a floating IP on a port, or on none."""
        floating = self._networks.let_go(self.require("floatingip", id_))
        if not port_id:
            return floating
        port = self.require("port", port_id)
        fixed = fixed or port["fixed_ips"][0]["ip_address"]
        router_id = self._router_to(port)
        self._wiring.add_floating(router_id, floating["floating_ip_address"], fixed)
        changes: Document = {
            "port_id": port_id,
            "fixed_ip_address": fixed,
            "router_id": router_id,
            "status": "ACTIVE",
        }
        return self.store.change("floatingip", id_, changes) or floating

    def delete_floating(self, id_: str) -> None:
        """Give a floating IP back."""
        self.require("floatingip", id_)
        self.associate(id_, None, None)
        for port in self.store.find("port", device_id=id_, device_owner=FLOATING_IP):
            self.store.drop("port", port["id"])
        self.store.drop("floatingip", id_)

    def restore(self) -> None:
        """Make on the machine again what the documents say: it may have been rebooted."""
        for router in self.store.find("router"):
            self._wiring.create_router(router["id"])
            legs = self.store.find("port", device_id=router["id"], device_owner=ROUTER_INTERFACE)
            for leg in legs:
                self._join(router["id"], leg)
            gateway = router["external_gateway_info"]
            if gateway:
                address = gateway["external_fixed_ips"][0]["ip_address"]
                self._wiring.set_router_gateway(router["id"], address, snat=gateway["enable_snat"])
            for floating in self.store.find("floatingip", router_id=router["id"]):
                self._wiring.add_floating(
                    router["id"], floating["floating_ip_address"], floating["fixed_ip_address"]
                )

    def _join(self, router_id: str, leg: Document) -> None:
        self._wiring.create_network(leg["network_id"])
        self._wiring.add_router_leg(
            router_id,
            leg["network_id"],
            leg["mac_address"],
            self._with_prefix(leg["fixed_ips"][0]),
        )

    def _router_to(self, port: Document) -> str:
        for leg in self.store.find(
            "port", network_id=port["network_id"], device_owner=ROUTER_INTERFACE
        ):
            router = self.store.get("router", leg["device_id"])
            if router and router["external_gateway_info"]:
                return str(router["id"])
        raise NotFoundError(
            f"External network {PUBLIC_ID} is not reachable from subnet"
            f" {port['fixed_ips'][0]['subnet_id']}. Therefore, cannot associate Port"
            f" {port['id']} with a Floating IP.",
            neutron_type="ExternalGatewayForFloatingIPNotFound",
        )

    def _with_prefix(self, fixed: Document) -> str:
        subnet = self.require("subnet", fixed["subnet_id"])
        return f"{fixed['ip_address']}/{ipv4_network(subnet['cidr']).prefixlen}"


@contextmanager
def _or_undo(undo: Callable[[], object]) -> Iterator[None]:
    """Leave nothing of what failed half-way: its client never learns its id."""
    try:
        yield
    except Exception:
        with suppress(Exception):
            undo()
        raise
