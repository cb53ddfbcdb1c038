"""Networks, subnets, ports, routers and floating IPs, with Neutron's rules for them.

The documents are Neutron's own. What they mean for the machine is handed to the fabric when a
server or a router first needs it: a network that nobody uses is only a document.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Protocol

from infraci.local.account import PROJECT_ID
from infraci.local.addresses import default_pools, ipv4_network, new_mac, next_free
from infraci.local.api.web import ApiError, missing
from infraci.local.store import Document, Store, new_id

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


class Networks:
    """Neutron's nouns, kept in the store and wired on the machine."""

    def __init__(self, store: Store, wiring: Wiring, *, public_cidr: str) -> None:
        self._store = store
        self._wiring = wiring
        self._add_public(ipv4_network(public_cidr))

    def _add_public(self, cidr: ipaddress.IPv4Network) -> None:
        gateway = str(cidr.network_address + 1)
        if self._store.get("network", PUBLIC_ID) is None:
            self._store.put(
                "network",
                {
                    **_network_defaults(PUBLIC_ID),
                    "name": PUBLIC,
                    "router:external": True,
                    "is_default": True,
                    "subnets": [PUBLIC_SUBNET_ID],
                },
            )
        self._store.put(
            "subnet",
            {
                **_subnet_defaults(PUBLIC_SUBNET_ID, PUBLIC_ID),
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
            raise ApiError(403, "The embedded cloud has one external network, 'public'.")
        return self._store.put("network", {**_network_defaults(new_id()), **wish})

    def delete_network(self, id_: str) -> None:
        """Remove a network that nobody uses any more."""
        self.require("network", id_)
        if id_ == PUBLIC_ID:
            raise ApiError(409, "The external network 'public' belongs to the cloud.")
        self._refuse_in_use("Network", id_, self._store.find("port", network_id=id_))
        for subnet in self._store.find("subnet", network_id=id_):
            self._store.drop("subnet", subnet["id"])
        self._wiring.delete_network(id_)
        self._store.drop("network", id_)

    def create_subnet(self, wish: Document) -> Document:
        """A new IPv4 subnet of a network."""
        with self._store.locked():
            network = self.require("network", str(wish.get("network_id")))
            if wish.get("ip_version", 4) != 4:
                raise ApiError(400, "The embedded cloud has IPv4 networks only.")
            cidr = ipv4_network(wish.get("cidr"))
            for other in self._store.find("subnet", network_id=network["id"]):
                if cidr.overlaps(ipv4_network(other["cidr"])):
                    raise ApiError(
                        400,
                        f"Requested subnet with cidr: {cidr} for network: {network['id']}"
                        f" overlaps with another subnet, {other['cidr']}.",
                        kind="InvalidInput",
                    )
            gateway = wish.get("gateway_ip", str(cidr.network_address + 1)) or None
            document = {
                **_subnet_defaults(new_id(), network["id"]),
                **{k: v for k, v in wish.items() if v is not None},
                "cidr": str(cidr),
                "gateway_ip": gateway,
                "allocation_pools": wish.get("allocation_pools") or default_pools(cidr, gateway),
            }
            self._store.change(
                "network", network["id"], {"subnets": [*network["subnets"], document["id"]]}
            )
            return self._store.put("subnet", document)

    def delete_subnet(self, id_: str) -> None:
        """Remove a subnet that no port has an address of."""
        with self._store.locked():
            subnet = self.require("subnet", id_)
            users = [p for p in self._store.find("port") if _address_in(p, id_) is not None]
            self._refuse_in_use("Subnet", id_, users)
            network = self.require("network", subnet["network_id"])
            left = [s for s in network["subnets"] if s != id_]
            self._store.change("network", network["id"], {"subnets": left})
            self._store.drop("subnet", id_)

    # Ports

    def create_port(self, wish: Document) -> Document:
        """A new port, with the addresses wished for, or the next free one."""
        with self._store.locked():
            network = self.require("network", str(wish.get("network_id")))
            fixed_ips = self._choose_addresses(network, wish.get("fixed_ips"))
            document = {
                **_port_defaults(new_id(), network["id"]),
                **{k: v for k, v in wish.items() if v is not None},
                "fixed_ips": fixed_ips,
                "mac_address": wish.get("mac_address") or new_mac(),
            }
            if wish.get("security_groups") is None and not wish.get("device_owner"):
                document["security_groups"] = [self.default_group()["id"]]
            return self._store.put("port", document)

    def update_port(self, id_: str, changes: Document) -> Document:
        """Change a port; its addresses only while no server has it."""
        with self._store.locked():
            port = self.require("port", id_)
            wished = changes.get("fixed_ips")
            if wished is not None:
                network = self.require("network", port["network_id"])
                chosen = self._choose_addresses(network, wished, but=id_)
                if chosen != port["fixed_ips"] and port["device_id"]:
                    raise ApiError(
                        409, f"Port {id_} is in use; the embedded cloud can't renumber it."
                    )
                changes = {**changes, "fixed_ips": chosen}
            return self._store.change("port", id_, changes) or port

    def delete_port(self, id_: str) -> None:
        """Remove a port; a floating IP on it is let go."""
        port = self.require("port", id_)
        if port["device_owner"] in (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP):
            raise ApiError(409, f"Port {id_} belongs to {port['device_owner']}.", kind="PortInUse")
        self._release(port)

    def _release(self, port: Document) -> None:
        for floating in self._store.find("floatingip", port_id=port["id"]):
            self.associate(floating["id"], None, None)
        self._store.drop("port", port["id"])

    def _choose_addresses(
        self, network: Document, wished: Iterable[Document] | None, *, but: str | None = None
    ) -> list[Document]:
        if wished is None:
            subnets = self._store.find("subnet", network_id=network["id"])
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
                raise ApiError(
                    409,
                    f"No more IP addresses available on network {network['id']}.",
                    kind="IpAddressGenerationFailure",
                )
        elif address in taken:
            raise ApiError(
                409,
                f"IP address {address} already allocated in subnet {subnet['id']}.",
                kind="IpAddressAlreadyAllocated",
            )
        return {"subnet_id": subnet["id"], "ip_address": address}

    def _subnet_for(self, network: Document, wish: Document) -> Document:
        subnets = self._store.find("subnet", network_id=network["id"])
        if wish.get("subnet_id"):
            subnets = [s for s in subnets if s["id"] == wish["subnet_id"]]
        if wish.get("ip_address"):
            address = ipaddress.ip_address(wish["ip_address"])
            subnets = [s for s in subnets if address in ipv4_network(s["cidr"])]
        if not subnets:
            raise ApiError(
                400,
                f"IP address {wish.get('ip_address')} is not a valid IP for any of the subnets"
                f" on network {network['name']}."
                if wish.get("ip_address")
                else f"Network {network['name']} has no such subnet to take an address of.",
                kind="InvalidIpForNetwork",
            )
        return subnets[0]

    def _taken(self, network_id: str, but: str | None = None) -> set[str]:
        taken = {
            fixed["ip_address"]
            for port in self._store.find("port", network_id=network_id)
            if port["id"] != but
            for fixed in port["fixed_ips"]
        }
        for subnet in self._store.find("subnet", network_id=network_id):
            taken.add(subnet["gateway_ip"])
        return taken

    # Routers

    def create_router(self, wish: Document) -> Document:
        """A new router, on the machine too."""
        gateway = wish.get("external_gateway_info")
        document = {**_router_defaults(new_id()), **wish, "external_gateway_info": None}
        self._store.put("router", document)
        self._wiring.create_router(document["id"])
        return self.set_gateway(document["id"], gateway) if gateway else document

    def update_router(self, id_: str, changes: Document) -> Document:
        """Change a router, its gateway too."""
        router = self.require("router", id_)
        if "external_gateway_info" in changes:
            router = self.set_gateway(id_, changes.pop("external_gateway_info"))
        return self._store.change("router", id_, changes) or router

    def set_gateway(self, id_: str, wish: Document | None) -> Document:
        """Lead a router to the external network, or nowhere."""
        router = self.require("router", id_)
        for port in self._store.find("port", device_id=id_, device_owner=ROUTER_GATEWAY):
            self._wiring.clear_router_gateway(id_)
            self._store.drop("port", port["id"])
        info = None
        if wish and wish.get("network_id"):
            network = self.require("network", wish["network_id"])
            if not network["router:external"]:
                raise ApiError(400, f"Network {network['id']} is not an external network.")
            port = self.create_port(
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
        return self._store.change("router", id_, {"external_gateway_info": info}) or router

    def delete_router(self, id_: str) -> None:
        """Remove a router that has no interfaces any more."""
        self.require("router", id_)
        legs = self._store.find("port", device_id=id_, device_owner=ROUTER_INTERFACE)
        self._refuse_in_use("Router", id_, legs)
        self.set_gateway(id_, None)
        self._wiring.delete_router(id_)
        self._store.drop("router", id_)

    def add_interface(self, router_id: str, wish: Document) -> Document:
        """Give a router a leg in a subnet, at its gateway address, or by a port."""
        self.require("router", router_id)
        if wish.get("port_id"):
            port = self.require("port", wish["port_id"])
            if port["device_id"]:
                raise ApiError(409, f"Port {port['id']} is in use.", kind="PortInUse")
        else:
            subnet = self.require("subnet", str(wish.get("subnet_id")))
            port = self._gateway_port(router_id, subnet)
        leg = {"device_id": router_id, "device_owner": ROUTER_INTERFACE, "status": "ACTIVE"}
        port = self._store.change("port", port["id"], leg) or port
        fixed = port["fixed_ips"][0]
        self._wiring.create_network(port["network_id"])
        self._wiring.add_router_leg(
            router_id, port["network_id"], port["mac_address"], self._with_prefix(fixed)
        )
        return self._interface(router_id, port)

    def _gateway_port(self, router_id: str, subnet: Document) -> Document:
        address = subnet["gateway_ip"]
        if address is None:
            raise ApiError(400, f"Subnet for router interface must have a gateway IP: {subnet}.")
        users = self._store.find("port", network_id=subnet["network_id"])
        if any(f["ip_address"] == address for port in users for f in port["fixed_ips"]):
            raise ApiError(
                400, f"Subnet {subnet['id']} has its gateway {address} already.", kind="BadRequest"
            )
        document = {
            **_port_defaults(new_id(), subnet["network_id"]),
            "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": address}],
            "mac_address": new_mac(),
            "device_id": router_id,
            "device_owner": ROUTER_INTERFACE,
        }
        return self._store.put("port", document)

    def remove_interface(self, router_id: str, wish: Document) -> Document:
        """Take a router's leg out of a subnet."""
        self.require("router", router_id)
        legs = self._store.find("port", device_id=router_id, device_owner=ROUTER_INTERFACE)
        for port in legs:
            if port["id"] == wish.get("port_id") or _address_in(port, wish.get("subnet_id")):
                self._refuse_floating(router_id, port)
                self._wiring.remove_router_leg(
                    router_id, port["network_id"], self._with_prefix(port["fixed_ips"][0])
                )
                self._release(port)
                return self._interface(router_id, port)
        raise missing("RouterInterface", str(wish.get("subnet_id") or wish.get("port_id")))

    def _refuse_floating(self, router_id: str, leg: Document) -> None:
        for floating in self._store.find("floatingip", router_id=router_id):
            port = self._store.get("port", floating["port_id"] or "")
            if port and port["network_id"] == leg["network_id"]:
                raise ApiError(
                    409,
                    f"Router interface for subnet cannot be deleted, as it is required by"
                    f" floating IP {floating['floating_ip_address']}.",
                    kind="RouterInterfaceInUseByFloatingIP",
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
            raise ApiError(400, f"Network {network['id']} is not an external network.")
        id_ = new_id()
        fixed_ips = None
        if wish.get("floating_ip_address"):
            fixed_ips = [{"ip_address": wish["floating_ip_address"]}]
        port = self.create_port(
            {
                "network_id": network["id"],
                "fixed_ips": fixed_ips,
                "device_id": id_,
                "device_owner": FLOATING_IP,
            }
        )
        document = {**_floating_defaults(id_), **wish}
        document |= {
            "port_id": None,
            "fixed_ip_address": None,
            "floating_ip_address": port["fixed_ips"][0]["ip_address"],
        }
        self._store.put("floatingip", document)
        if wish.get("port_id"):
            return self.associate(id_, wish["port_id"], wish.get("fixed_ip_address"))
        return document

    def associate(self, id_: str, port_id: str | None, fixed: str | None) -> Document:
        """Put a floating IP on a port, or on none."""
        floating = self.require("floatingip", id_)
        if floating["router_id"]:
            self._wiring.remove_floating(floating["router_id"], floating["floating_ip_address"])
        changes: Document = {
            "port_id": None,
            "fixed_ip_address": None,
            "router_id": None,
            "status": "DOWN",
        }
        if port_id:
            port = self.require("port", port_id)
            fixed = fixed or port["fixed_ips"][0]["ip_address"]
            router_id = self._router_to(port)
            self._wiring.add_floating(router_id, floating["floating_ip_address"], fixed)
            changes = {
                "port_id": port_id,
                "fixed_ip_address": fixed,
                "router_id": router_id,
                "status": "ACTIVE",
            }
        return self._store.change("floatingip", id_, changes) or floating

    def delete_floating(self, id_: str) -> None:
        """Give a floating IP back."""
        self.require("floatingip", id_)
        self.associate(id_, None, None)
        for port in self._store.find("port", device_id=id_, device_owner=FLOATING_IP):
            self._store.drop("port", port["id"])
        self._store.drop("floatingip", id_)

    def _router_to(self, port: Document) -> str:
        for leg in self._store.find(
            "port", network_id=port["network_id"], device_owner=ROUTER_INTERFACE
        ):
            router = self._store.get("router", leg["device_id"])
            if router and router["external_gateway_info"]:
                return str(router["id"])
        raise ApiError(
            404,
            f"External network {PUBLIC_ID} is not reachable from subnet"
            f" {port['fixed_ips'][0]['subnet_id']}. Therefore, cannot associate Port"
            f" {port['id']} with a Floating IP.",
            kind="ExternalGatewayForFloatingIPNotFound",
        )

    # Shared

    def default_group(self) -> Document:
        """The project's security group 'default', made when first asked for."""
        with self._store.locked():
            for group in self._store.find("security_group", name="default"):
                return group
            return self.create_group({"name": "default", "description": "Default security group"})

    def create_group(self, wish: Document) -> Document:
        """A security group, with Neutron's own first rules: all egress."""
        group = {
            "id": new_id(),
            **_owned(),
            "description": "",
            "tags": [],
            "stateful": True,
            **wish,
        }
        self._store.put("security_group", group)
        for ethertype in ("IPv4", "IPv6"):
            self.create_rule(
                {"security_group_id": group["id"], "direction": "egress", "ethertype": ethertype}
            )
        return group

    def create_rule(self, wish: Document) -> Document:
        """A rule of a security group."""
        self.require("security_group", str(wish.get("security_group_id")))
        rule = {"id": new_id(), **_owned(), **_RULE_DEFAULTS, **wish}
        for other in self._store.find("security_group_rule"):
            if all(other.get(k) == rule.get(k) for k in ("security_group_id", *_RULE_IDENTITY)):
                raise ApiError(
                    409,
                    f"Security group rule already exists. Rule id is {other['id']}.",
                    kind="SecurityGroupRuleExists",
                )
        return self._store.put("security_group_rule", rule)

    def delete_group(self, id_: str) -> None:
        """Remove a security group that no port has."""
        self.require("security_group", id_)
        users = [p for p in self._store.find("port") if id_ in p["security_groups"]]
        self._refuse_in_use("SecurityGroup", id_, users)
        for rule in self._store.find("security_group_rule", security_group_id=id_):
            self._store.drop("security_group_rule", rule["id"])
        self._store.drop("security_group", id_)

    def delete_rule(self, id_: str) -> None:
        """Remove a rule of a security group."""
        self.require("security_group_rule", id_)
        self._store.drop("security_group_rule", id_)

    def show_group(self, group: Document) -> Document:
        """A security group with its rules, as the API shows it."""
        rules = self._store.find("security_group_rule", security_group_id=group["id"])
        return {**group, "security_group_rules": rules}

    def require(self, kind: str, id_: str) -> Document:
        """A document, or the API's 404."""
        document = self._store.get(kind, id_)
        if document is None:
            raise missing(_NOUNS[kind], id_)
        return document

    def _with_prefix(self, fixed: Document) -> str:
        subnet = self.require("subnet", fixed["subnet_id"])
        return f"{fixed['ip_address']}/{ipv4_network(subnet['cidr']).prefixlen}"

    def _refuse_in_use(self, noun: str, id_: str, users: list[Document]) -> None:
        if users:
            raise ApiError(
                409,
                f"Unable to complete operation on {noun.lower()} {id_}:"
                f" {len(users)} port(s) still use it.",
                kind=f"{noun}InUse",
            )


_NOUNS = {
    "network": "Network",
    "subnet": "Subnet",
    "port": "Port",
    "router": "Router",
    "floatingip": "FloatingIP",
    "security_group": "SecurityGroup",
    "security_group_rule": "SecurityGroupRule",
}

_RULE_DEFAULTS: Document = {
    "description": "",
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": None,
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}
_RULE_IDENTITY = tuple(key for key in _RULE_DEFAULTS if key != "description")


def _address_in(port: Document, subnet_id: str | None) -> str | None:
    for fixed in port["fixed_ips"]:
        if fixed["subnet_id"] == subnet_id:
            return str(fixed["ip_address"])
    return None


def _owned() -> Document:
    return {"tenant_id": PROJECT_ID, "project_id": PROJECT_ID}


def _network_defaults(id_: str) -> Document:
    return {
        "id": id_, **_owned(), "name": "", "description": "", "status": "ACTIVE",
        "admin_state_up": True, "shared": False, "router:external": False, "subnets": [],
        "mtu": 1400, "port_security_enabled": True, "availability_zones": ["local"],
        "availability_zone_hints": [], "tags": [], "qos_policy_id": None, "dns_domain": "",
    }  # fmt: skip


def _subnet_defaults(id_: str, network_id: str) -> Document:
    return {
        "id": id_, **_owned(), "network_id": network_id, "name": "", "description": "",
        "ip_version": 4, "enable_dhcp": True, "dns_nameservers": [], "host_routes": [],
        "ipv6_address_mode": None, "ipv6_ra_mode": None, "subnetpool_id": None,
        "segment_id": None, "service_types": [], "tags": [],
    }  # fmt: skip


def _port_defaults(id_: str, network_id: str) -> Document:
    return {
        "id": id_, **_owned(), "network_id": network_id, "name": "", "description": "",
        "status": "DOWN", "admin_state_up": True, "device_id": "", "device_owner": "",
        "security_groups": [], "allowed_address_pairs": [], "extra_dhcp_opts": [],
        "port_security_enabled": True, "binding:vnic_type": "normal", "tags": [],
        "qos_policy_id": None, "dns_name": "", "dns_assignment": [],
        "propagate_uplink_status": False,
    }  # fmt: skip


def _router_defaults(id_: str) -> Document:
    return {
        "id": id_, **_owned(), "name": "", "description": "", "status": "ACTIVE",
        "admin_state_up": True, "external_gateway_info": None, "routes": [],
        "distributed": False, "ha": False, "availability_zones": ["local"],
        "availability_zone_hints": [], "flavor_id": None, "tags": [],
    }  # fmt: skip


def _floating_defaults(id_: str) -> Document:
    return {
        "id": id_, **_owned(), "description": "", "status": "DOWN", "router_id": None,
        "port_id": None, "fixed_ip_address": None, "dns_name": "", "dns_domain": "",
        "qos_policy_id": None, "port_details": None, "tags": [],
    }  # fmt: skip
