"""A server's ports: claimed for it when it is made, let go when it goes."""

from __future__ import annotations

from itertools import count

from infraci.local.domain.addresses import ipv4_network
from infraci.local.domain.networks import PUBLIC_ID, Networks
from infraci.local.domain.security_groups import SecurityGroups
from infraci.local.domain.store import Document, Store
from infraci.local.errors import ConflictError, InvalidRequestError
from infraci.local.host.fabric import Nic

NOVA_OWNER = "compute:local"

_UNCLAIMED: Document = {"device_id": "", "device_owner": "", "status": "DOWN"}


class ServerPorts:
    """What Nova asks of Neutron."""

    def __init__(self, store: Store, networks: Networks) -> None:
        self._store = store
        self._networks = networks
        self._groups = SecurityGroups(store)

    def claim(self, server_id: str, wished: object, groups: list[str]) -> list[Document]:
        """Give a server the ports that its networks ask for, made where need be; returns them."""
        claimed = []
        taken = {port["infraci:position"] for port in self.of(server_id)}
        free = (position for position in count() if position not in taken)
        for position, wish in zip(free, self._wished(wished), strict=False):
            claim = {
                "device_id": server_id,
                "device_owner": NOVA_OWNER,
                "status": "ACTIVE",
                "infraci:position": position,
            }
            with self._store.locked():
                port = self._given_port(wish) or self._new_port(wish, groups)
                claimed.append(self._store.change("port", port["id"], claim) or port)
        return claimed

    def _given_port(self, wish: Document) -> Document | None:
        if not wish.get("port"):
            return None
        port = self._networks.require("port", wish["port"])
        if port["device_id"]:
            raise ConflictError(f"Port {port['id']} is still in use.")
        return port

    def _new_port(self, wish: Document, groups: list[str]) -> Document:
        if wish.get("uuid") == PUBLIC_ID:
            raise InvalidRequestError(
                "The embedded cloud can't put a server on the external network itself;"
                " give it a floating IP.",
            )
        fixed_ips = [{"ip_address": wish["fixed_ip"]}] if wish.get("fixed_ip") else None
        return self._networks.create_port(
            {
                "network_id": wish.get("uuid"),
                "fixed_ips": fixed_ips,
                "security_groups": groups or None,
                "infraci:by_nova": True,
            }
        )

    def _wished(self, wished: object) -> list[Document]:
        if wished == "none":
            return []
        if isinstance(wished, list):
            return wished
        ours = [n for n in self._store.find("network") if not n["router:external"] and n["subnets"]]
        if len(ours) > 1:
            raise ConflictError(
                "Multiple possible networks found, use a Network ID to be more specific."
            )
        return [{"uuid": network["id"]} for network in ours]

    def group_ids(self, wished: list[Document]) -> list[str]:
        """The ids of security groups that were wished for by name or id."""
        ids = []
        for wish in wished:
            name = wish.get("name")
            if name == "default":
                self._groups.default()
            found = [g for g in self._store.find("security_group") if name in (g["id"], g["name"])]
            if len(found) != 1:
                raise InvalidRequestError(
                    f"Security group {name} found {len(found)} times, not once."
                )
            ids.append(found[0]["id"])
        return ids

    def of(self, server_id: str) -> list[Document]:
        """The server's ports, in the order of its network cards."""
        ports = self._store.find("port", device_id=server_id)
        return sorted(ports, key=lambda port: int(port["infraci:position"]))

    def nics(self, server_id: str) -> tuple[Nic, ...]:
        """The server's network cards."""
        return tuple(self.nic(port) for port in self.of(server_id))

    def nic(self, port: Document) -> Nic:
        """A port as a network card."""
        subnets = [self._networks.require("subnet", f["subnet_id"]) for f in port["fixed_ips"]]
        gateways = [s["gateway_ip"] for s in subnets if s["gateway_ip"]]
        return Nic(
            device=f"eth{port['infraci:position']}",
            network_id=port["network_id"],
            mac=port["mac_address"],
            addresses=tuple(
                f"{fixed['ip_address']}/{ipv4_network(subnet['cidr']).prefixlen}"
                for fixed, subnet in zip(port["fixed_ips"], subnets, strict=True)
            ),
            gateway=gateways[0] if gateways else None,
            routes=tuple(
                (route["destination"], route["nexthop"])
                for subnet in subnets
                for route in subnet["host_routes"]
            ),
        )

    def name_servers(self, server_id: str) -> tuple[str, ...]:
        """The name servers of the subnets a server is in."""
        found: dict[str, None] = {}
        for port in self.of(server_id):
            for fixed in port["fixed_ips"]:
                subnet = self._networks.require("subnet", fixed["subnet_id"])
                found.update(dict.fromkeys(subnet["dns_nameservers"]))
        return tuple(found)

    def release(self, server_id: str) -> None:
        """Let go of a server's ports; those that were made for it are removed."""
        for port in self.of(server_id):
            self.let_go(port)

    def let_go(self, port: Document) -> None:
        """Take a port from its server; one that was made for it is removed."""
        if port.get("infraci:by_nova"):
            self._networks.delete_port(port["id"])
        else:
            self._store.change("port", port["id"], _UNCLAIMED)
