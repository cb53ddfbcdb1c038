"""Networks, subnets and ports, with Neutron's rules for them.

The documents are Neutron's own. What they mean for the machine is handed to it when a server or a
router first needs it: a network that nobody uses is only a document.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Protocol

from infraci.local.domain.addresses import default_pools, ipv4_network, new_mac, next_free
from infraci.local.domain.neutron import Neutron, network_defaults, port_defaults, subnet_defaults
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Document, Store, new_id
from infraci.local.errors import ConflictError, ForbiddenError, InvalidRequestError

PUBLIC = "public"
PUBLIC_ID = "1f7ac100-0000-4000-8000-0000000000c1"
PUBLIC_SUBNET_ID = "1f7ac100-0000-4000-8000-0000000000c2"

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"


class Wiring(Protocol):
    """What networks ask of the machine; making what is there, or removing what is gone, is fine."""

    def create_network(self, network_id: str) -> None:
        """Make a network."""

    def delete_network(self, network_id: str) -> None:
        """Remove a network."""

    def create_router(self, router_id: str) -> None:
        """Make a router."""

    def delete_router(self, router_id: str) -> None:
        """Remove a router."""

    def add_router_leg(self, router_id: str, network_id: str, mac: str, address: str) -> None:
        """Connect a router to a network, at an address with its prefix length."""

    def remove_router_leg(self, router_id: str, network_id: str, address: str) -> None:
        """Disconnect a router from a network."""

    def set_router_gateway(self, router_id: str, address: str, *, snat: bool) -> None:
        """Connect a router to the external network, at an address of it."""

    def clear_router_gateway(self, router_id: str) -> None:
        """Disconnect a router from the external network."""

    def add_floating(self, router_id: str, floating: str, fixed: str) -> None:
        """Lead a floating IP to a fixed address behind a router."""

    def remove_floating(self, router_id: str, floating: str) -> None:
        """Stop leading a floating IP."""


class Networks(Neutron):
    """Networks, subnets and ports, kept in the store and wired on the machine."""

    def __init__(self, store: Store, wiring: Wiring, *, public_cidr: str) -> None:
        super().__init__(store)
        self._wiring = wiring
        self._groups = SecurityGroups(store)
        self._add_public(ipv4_network(public_cidr))

    def _add_public(self, cidr: ipaddress.IPv4Network) -> None:
        gateway = str(cidr.network_address + 1)
        if self.store.get("network", PUBLIC_ID) is None:
            self.store.put(
                "network",
                {
                    **network_defaults(PUBLIC_ID),
                    "name": PUBLIC,
                    "router:external": True,
                    "is_default": True,
                    "subnets": [PUBLIC_SUBNET_ID],
                },
            )
        self.store.put(
            "subnet",
            {
                **subnet_defaults(PUBLIC_SUBNET_ID, PUBLIC_ID),
                "name": PUBLIC,
                "cidr": str(cidr),
                "gateway_ip": gateway,
                "enable_dhcp": False,
                "allocation_pools": default_pools(cidr, gateway),
            },
        )

    # Networks and subnets

    def create_network(self, wish: Document) -> Document:
        """A new network; nothing happens on the machine yet."""
        if wish.get("router:external"):
            raise ForbiddenError("The embedded cloud has one external network, 'public'.")
        return self.store.put("network", {**network_defaults(new_id()), **wish})

    def delete_network(self, id_: str) -> None:
        """Remove a network that nobody uses any more."""
        self.require("network", id_)
        if id_ == PUBLIC_ID:
            raise ConflictError("The external network 'public' belongs to the cloud.")
        self.refuse_in_use("Network", id_, self.store.find("port", network_id=id_))
        for subnet in self.store.find("subnet", network_id=id_):
            self.store.drop("subnet", subnet["id"])
        self._wiring.delete_network(id_)
        self.store.drop("network", id_)

    def create_subnet(self, wish: Document) -> Document:
        """A new IPv4 subnet of a network."""
        with self.store.locked():
            network = self.require("network", str(wish.get("network_id")))
            if wish.get("ip_version", 4) != 4:
                raise InvalidRequestError("The embedded cloud has IPv4 networks only.")
            cidr = ipv4_network(wish.get("cidr"))
            for other in self.store.find("subnet", network_id=network["id"]):
                if cidr.overlaps(ipv4_network(other["cidr"])):
                    raise InvalidRequestError(
                        f"Requested subnet with cidr: {cidr} for network: {network['id']}"
                        f" overlaps with another subnet, {other['cidr']}.",
                        neutron_type="InvalidInput",
                    )
            gateway = wish.get("gateway_ip", str(cidr.network_address + 1)) or None
            document = {
                **subnet_defaults(new_id(), network["id"]),
                **{k: v for k, v in wish.items() if v is not None},
                "cidr": str(cidr),
                "gateway_ip": gateway,
                "allocation_pools": wish.get("allocation_pools") or default_pools(cidr, gateway),
            }
            self.store.change(
                "network", network["id"], {"subnets": [*network["subnets"], document["id"]]}
            )
            return self.store.put("subnet", document)

    def delete_subnet(self, id_: str) -> None:
        """Remove a subnet that no port has an address of."""
        with self.store.locked():
            subnet = self.require("subnet", id_)
            users = [p for p in self.store.find("port") if address_in(p, id_) is not None]
            self.refuse_in_use("Subnet", id_, users)
            network = self.require("network", subnet["network_id"])
            left = [s for s in network["subnets"] if s != id_]
            self.store.change("network", network["id"], {"subnets": left})
            self.store.drop("subnet", id_)

    # Ports

    def create_port(self, wish: Document) -> Document:
        """A new port, with the addresses wished for, or the next free one."""
        with self.store.locked():
            network = self.require("network", str(wish.get("network_id")))
            fixed_ips = self._choose_addresses(network, wish.get("fixed_ips"))
            document = {
                **port_defaults(new_id(), network["id"]),
                **{k: v for k, v in wish.items() if v is not None},
                "fixed_ips": fixed_ips,
                "mac_address": wish.get("mac_address") or new_mac(),
            }
            if wish.get("security_groups") is None and not wish.get("device_owner"):
                document["security_groups"] = [self._groups.default()["id"]]
            return self.store.put("port", document)

    def update_port(self, id_: str, changes: Document) -> Document:
        """Change a port; the card of a server that has it is not changed here."""
        with self.store.locked():
            port = self.require("port", id_)
            wished = changes.get("fixed_ips")
            if wished is not None:
                network = self.require("network", port["network_id"])
                chosen = self._choose_addresses(network, wished, but=id_)
                changes = {**changes, "fixed_ips": chosen}
            return self.store.change("port", id_, changes) or port

    def delete_port(self, id_: str) -> None:
        """Remove a port; a floating IP on it is let go."""
        port = self.require("port", id_)
        if port["device_owner"] in (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP):
            raise ConflictError(
                f"Port {id_} belongs to {port['device_owner']}.", neutron_type="PortInUse"
            )
        self.release(port)

    def release(self, port: Document) -> None:
        """Remove a port whoever has it; a floating IP on it is let go."""
        for floating in self.store.find("floatingip", port_id=port["id"]):
            self.let_go(floating)
        self.store.drop("port", port["id"])

    def let_go(self, floating: Document) -> Document:
        """Take a floating IP from its port, if it is on one."""
        if floating["router_id"]:
            self._wiring.remove_floating(floating["router_id"], floating["floating_ip_address"])
        free: Document = {
            "port_id": None,
            "fixed_ip_address": None,
            "router_id": None,
            "status": "DOWN",
        }
        return self.store.change("floatingip", floating["id"], free) or floating

    def _choose_addresses(
        self, network: Document, wished: Iterable[Document] | None, *, but: str | None = None
    ) -> list[Document]:
        if wished is None:
            subnets = self.store.find("subnet", network_id=network["id"])
            by_age = sorted(subnets, key=lambda s: network["subnets"].index(s["id"]))
            wished = [{"subnet_id": s["id"]} for s in by_age[:1]]
        chosen: list[Document] = []
        for wish in wished:
            taken = self._taken(network["id"], but) | {c["ip_address"] for c in chosen}
            chosen.append(self._choose_address(network, wish, taken))
        return chosen

    def _choose_address(self, network: Document, wish: Document, taken: set[str]) -> Document:
        subnet = self._subnet_for(network, wish)
        address = wish.get("ip_address")
        if address is None:
            address = next_free(subnet["allocation_pools"], taken)
            if address is None:
                raise ConflictError(
                    f"No more IP addresses available on network {network['id']}.",
                    neutron_type="IpAddressGenerationFailure",
                )
        elif address in taken:
            raise ConflictError(
                f"IP address {address} already allocated in subnet {subnet['id']}.",
                neutron_type="IpAddressAlreadyAllocated",
            )
        return {"subnet_id": subnet["id"], "ip_address": address}

    def _subnet_for(self, network: Document, wish: Document) -> Document:
        subnets = self.store.find("subnet", network_id=network["id"])
        if wish.get("subnet_id"):
            subnets = [s for s in subnets if s["id"] == wish["subnet_id"]]
        if wish.get("ip_address"):
            address = ipaddress.ip_address(wish["ip_address"])
            subnets = [s for s in subnets if address in ipv4_network(s["cidr"])]
        if not subnets:
            raise InvalidRequestError(
                f"IP address {wish.get('ip_address')} is not a valid IP for any of the subnets"
                f" on network {network['name']}."
                if wish.get("ip_address")
                else f"Network {network['name']} has no such subnet to take an address of.",
                neutron_type="InvalidIpForNetwork",
            )
        return subnets[0]

    def _taken(self, network_id: str, but: str | None = None) -> set[str]:
        taken = {
            fixed["ip_address"]
            for port in self.store.find("port", network_id=network_id)
            if port["id"] != but
            for fixed in port["fixed_ips"]
        }
        for subnet in self.store.find("subnet", network_id=network_id):
            taken.add(subnet["gateway_ip"])
        return taken


def address_in(port: Document, subnet_id: str | None) -> str | None:
    """The address that a port has in a subnet, None if it has none."""
    for fixed in port["fixed_ips"]:
        if fixed["subnet_id"] == subnet_id:
            return str(fixed["ip_address"])
    return None
